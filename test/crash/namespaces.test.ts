/** A namespace that is being deleted when the node is cut off: it is out of reach at once, and gone with everything in it in the end. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';

const SECRETS = 1000;
const TOKENS = 100;
/** Where the cut falls, in milliseconds after the request for the deletion. */
const CUTS = [0, 10, 60];

it('a namespace whose deletion is cut off is deleted after the next start', async () => {
  const node = await start();
  try {
    const keys = await node.initAndUnseal();
    const ok = async (method: string, path: string, body?: unknown, namespace = 'doomed') => {
      const answer = await node.request(method, path, { token: keys.rootToken, namespace, body });
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.text === '' ? {} : answer.json();
    };
    await ok('POST', 'sys/mounts/kept', { type: 'kv' }, '');
    await ok('POST', 'kept/it', { is: 'here' }, '');
    for (const cutMs of CUTS) {
      const { id } = (await ok('POST', 'sys/namespaces/doomed', {}, '')).data;
      await furnish(ok);
      const accessor = (await ok('POST', 'auth/token/create', { policies: ['p'] })).auth;
      const deleting = node
        .request('DELETE', 'sys/namespaces/doomed', { token: keys.rootToken })
        .catch(() => {});
      await pause(cutMs);
      await node.kill9();
      await deleting;
      await node.restart();
      await node.unseal(keys);
      await settled(node, keys, accessor.client_token);
      const left =
        (await node.request('GET', 'sys/namespaces/doomed', { token: keys.rootToken })).status === 200;
      // Cut off before it was on disk, it never happened.
      if (left) {
        assert.deepEqual((await ok('GET', 'kv/0')).data, { value: 'secret' });
        await ok('DELETE', 'sys/namespaces/doomed', undefined, '');
      }
      await waitUntil(
        async () =>
          (await node.request('GET', 'sys/namespaces/doomed', { token: keys.rootToken })).status === 404,
        { what: 'the namespace to be gone' },
      );
      await node.kill9();
      assert.deepEqual(recordsOf(node, id), [], `cut after ${cutMs} ms`);
      await node.restart();
      await node.unseal(keys);
      assert.deepEqual((await ok('GET', 'kept/it', undefined, '')).data, { is: 'here' });
    }
    assert.doesNotMatch(node.logs(), /damaged|failed unexpectedly/);
  } finally {
    await node.stop();
  }
});

type Ok = (method: string, path: string, body?: unknown) => Promise<unknown>;

async function furnish(ok: Ok): Promise<void> {
  await ok('POST', 'sys/mounts/kv', { type: 'kv' });
  await ok('POST', 'sys/auth/userpass', { type: 'userpass' });
  await ok('POST', 'auth/userpass/users/ann', { password: 'correct horse', token_policies: 'p' });
  await ok('POST', 'sys/policies/acl/p', { policy: 'path "kv/*" { capabilities = ["read"] }' });
  await ok('POST', 'sys/policies/password/p', { policy: 'length = 20\nrule "charset" { charset = "ab" }' });
  await ok('POST', 'auth/userpass/login/ann', { password: 'correct horse' });
  await ok('POST', 'identity/group', { name: 'g' });
  for (let from = 0; from < SECRETS; from += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => ok('POST', `kv/${from + i}`, { value: 'secret' })),
    );
  }
  await Promise.all(
    Array.from({ length: TOKENS }, () => ok('POST', 'auth/token/create', { policies: ['p'] })),
  );
}

/** Whether or not the deletion was recorded, nobody is halfway in: all or nothing answers. */
async function settled(node: CofferNode, { rootToken }: UnsealKeys, token: string): Promise<void> {
  const there = async () => (await node.request('GET', 'sys/namespaces/doomed', { token: rootToken })).json();
  const state = await there();
  if (state.data && !state.data.tainted) return;
  for (const [path, who] of [
    ['kv/0', token],
    ['kv/0', rootToken],
    ['auth/token/lookup-self', token],
    ['sys/mounts', rootToken],
  ] as const) {
    const { status } = await node.request('GET', path, { token: who, namespace: 'doomed' });
    assert.ok(
      status === 403 || status === 404,
      `${path} answered ${status} while the namespace was being deleted`,
    );
  }
  await waitUntil(
    async () => (await node.request('GET', 'sys/namespaces/doomed', { token: rootToken })).status === 404,
    { what: 'the deletion to go on' },
  );
}

/** Names of records that have to do with a namespace. */
function recordsOf(node: CofferNode, id: string): string[] {
  const copy = openLmdbCopy({ path: join(node.folder, 'data') });
  const keys = copy.keys({ start: '\u0001', end: undefined, limit: 1_000_000 });
  void copy.close();
  return keys.filter((key) => key.includes(`/${id}`) || key.includes(`.${id}`));
}
