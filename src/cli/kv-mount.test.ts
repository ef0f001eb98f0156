import assert from 'node:assert/strict';
import test from 'node:test';
import type { Client } from '../client/client.ts';
import { ApiError } from '../client/errors.ts';
import { replyFrom } from '../client/reply.ts';
import { apiPath, locate } from './kv-mount.ts';

/** A client that knows one mount. */
function knowing(mount: string, version: string | undefined, asked: string[] = []): Client {
  const client: Client = {
    address: '',
    token: '',
    namespace: '',
    async request(_method, path) {
      asked.push(path);
      const options = version === undefined ? null : { version };
      return replyFrom({
        status: 200,
        headers: new Map(),
        raw: JSON.stringify({ data: { path: mount, options } }),
      });
    },
    find: (method, path) => client.request(method, path),
    stream: async () => {},
    download: async () => {},
    upload: async () => assert.fail('nothing is uploaded'),
    with: () => client,
  };
  return client;
}

test('the mount may stand in the path or in -mount', async () => {
  const asked: string[] = [];
  const client = knowing('secret/', '2', asked);
  const inPath = await locate(client, '/secret/app/db', undefined);
  const inFlag = await locate(client, 'app/db', 'secret');
  assert.deepEqual(inPath, { version: 2, mount: 'secret/', key: 'app/db' });
  assert.deepEqual(inFlag, inPath);
  assert.deepEqual(asked, ['sys/internal/ui/mounts/secret/app/db', 'sys/internal/ui/mounts/secret/']);
  assert.equal(apiPath(inPath, 'data'), 'secret/data/app/db');
});

test('mounts may be nested, and the mount itself has no key', async () => {
  const client = knowing('team/secret/', '2');
  assert.equal(
    apiPath(await locate(client, 'team/secret/x', undefined), 'metadata'),
    'team/secret/metadata/x',
  );
  assert.equal(apiPath(await locate(client, 'team/secret', undefined), 'metadata'), 'team/secret/metadata');
});

test('version 1 has no kinds', async () => {
  for (const version of ['1', undefined]) {
    const place = await locate(knowing('kv1/', version), 'kv1/x', undefined);
    assert.equal(apiPath(place, 'data'), 'kv1/x');
  }
});

test('a key that begins like its mount keeps its name', async () => {
  const place = await locate(knowing('secret/', '2'), 'secret/x', 'secret');
  assert.equal(apiPath(place, 'data'), 'secret/data/secret/x');
});

test('a server that cannot tell has version 1; one that forbids says so', async () => {
  const refusing = (status: number): Client => {
    const failure = { status, errors: [], method: 'GET', url: '', namespace: '', body: {}, raw: '' };
    const client: Client = {
      ...knowing('', undefined),
      request: () => Promise.reject(new ApiError(failure)),
      with: () => client,
    };
    return client;
  };
  const old = await locate(refusing(404), 'secret/x', undefined);
  assert.equal(apiPath(old, 'data'), 'secret/x');
  await assert.rejects(locate(refusing(403), 'secret/x', undefined), { status: 403 });
});
