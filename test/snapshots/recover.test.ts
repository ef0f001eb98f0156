/** One secret, or one mount, out of a snapshot, while everything else stays as it is. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { foregroundClock } from '../../src/base/clock.ts';
import { runCoffer } from '../../src/cli/testing.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';
import { ok, save, type Target } from './node.ts';

const LOAD = 'sys/storage/raft/snapshot-load';
const RECOVER = 'sys/storage/snapshot/recover';

let node: CofferNode;
let keys: UnsealKeys;
let target: Target;
let file: Buffer;
let id: string;
before(async () => {
  node = await start();
  keys = await node.initAndUnseal();
  target = { node, token: keys.rootToken };
  await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await ok(target, 'POST', 'sys/mounts/plain', { type: 'kv', options: { version: '1' } });
  await ok(target, 'POST', 'sys/namespaces/team', {});
  await ok(target, 'POST', 'team/sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  for (const path of ['secret/data/app', 'team/secret/data/app'])
    await ok(target, 'POST', path, { data: { at: `${path} then` } });
  await ok(target, 'POST', 'plain/app', { at: 'then' });
  for (let n = 0; n < 200; n++) await ok(target, 'POST', `plain/many/${n}`, { n: `${n}` });
  file = await save(target);
  for (const path of ['secret/data/app', 'team/secret/data/app'])
    await ok(target, 'POST', path, { data: { at: 'now' } });
  await ok(target, 'POST', 'plain/app', { at: 'now' });
  await ok(target, 'POST', 'plain/new', { at: 'now' });
  await ok(target, 'POST', 'secret/data/other', { data: { at: 'now' } });
  id = await load();
});
after(() => node?.stop());

async function load(): Promise<string> {
  const { status, text, json } = await node.request('POST', LOAD, { token: target.token, body: file });
  assert.equal(status, 200, text);
  const { data } = json();
  assert.equal(data.status, 'ready');
  return data.snapshot_id;
}
const recover = (what: Record<string, string>) => ok(target, 'POST', RECOVER, { snapshot_id: id, ...what });
const refused = async (what: Record<string, string>, code: number, reason: RegExp) => {
  const { status, text } = await node.request('POST', RECOVER, {
    token: target.token,
    body: { snapshot_id: id, ...what },
  });
  assert.equal(status, code, text);
  assert.match(text, reason);
};

it('is loaded one at a time, and shown', async () => {
  assert.deepEqual((await ok(target, 'LIST', LOAD)).data.keys, [id]);
  const shown = (await ok(target, 'GET', `${LOAD}/${id}`)).data;
  assert.equal(shown.cluster_id, (await node.request('GET', 'sys/seal-status')).json().cluster_id);
  const second = await node.request('POST', LOAD, { token: target.token, body: file });
  assert.match(second.text, /unload it first/);
  const damaged = await node.request('POST', LOAD, { token: target.token, body: file.subarray(0, 3000) });
  assert.equal(damaged.status, 400);
});

it('brings back a secret of version 2 as one more version', async () => {
  const { data } = await recover({ path: 'secret/data/app' });
  assert.equal(data.version, 3);
  assert.equal((await ok(target, 'GET', 'secret/data/app')).data.data.at, 'secret/data/app then');
  assert.equal((await ok(target, 'GET', 'secret/data/app?version=2')).data.data.at, 'now');
  await recover({ path: 'secret/data/app', as: 'secret/data/copy' });
  assert.equal((await ok(target, 'GET', 'secret/data/copy')).data.data.at, 'secret/data/app then');
});

it('brings back a secret of version 1, and one of another namespace', async () => {
  await recover({ path: 'plain/app' });
  assert.equal((await ok(target, 'GET', 'plain/app')).data.at, 'then');
  await recover({ path: 'team/secret/data/app' });
  assert.equal((await ok(target, 'GET', 'team/secret/data/app')).data.data.at, 'team/secret/data/app then');
});

it('refuses what was not there, or cannot be', async () => {
  await refused({ path: 'secret/data/other' }, 404, /errors/);
  await refused({ path: 'secret/metadata/app' }, 400, /data\//);
  await refused({ path: 'plain/new' }, 404, /errors/);
  await refused({ path: 'nowhere/app' }, 404, /no mount/);
  await refused({ path: 'sys/mounts' }, 400, /cannot be brought back/);
  await refused({ path: 'plain/app', as: 'secret/data/app' }, 400, /its own mount/);
  await refused({ mount: 'sys' }, 400, /only secrets mounts/);
  await refused({ mount: 'auth/token' }, 400, /only secrets mounts/);
  await refused({ mount: 'cubbyhole' }, 400, /only secrets mounts/);
  await refused({ mount: 'later' }, 404, /no mount/);
  await refused({}, 400, /either/);
  await refused({ path: 'plain/app', mount: 'plain' }, 400, /either/);
  await refused({ snapshot_id: 'other', path: 'plain/app' }, 404, /errors/);
});

it('is for those who have sudo', async () => {
  const policy = 'path "sys/storage/*" { capabilities = ["create", "read", "update", "delete", "list"] }';
  await ok(target, 'POST', 'sys/policies/acl/nosudo', { policy });
  const { auth } = await ok(target, 'POST', 'auth/token/create', { policies: ['nosudo'] });
  for (const [method, path] of [
    ['POST', RECOVER],
    ['POST', LOAD],
    ['GET', `${LOAD}/${id}`],
    ['DELETE', `${LOAD}/${id}`],
  ] as const)
    assert.equal(
      (await node.request(method, path, { token: auth.client_token, body: {} })).status,
      403,
      path,
    );
});

it('brings back a whole mount in the place of the one there is, over a restart', async () => {
  const before = (await ok(target, 'GET', 'sys/mounts/plain')).data;
  const { data } = await recover({ mount: 'plain/' });
  assert.deepEqual(data, { records: 201, damaged: 0 });
  const check = async () => {
    assert.equal((await ok(target, 'GET', 'plain/app')).data.at, 'then');
    assert.equal((await ok(target, 'GET', 'plain/many/199')).data.n, '199');
    assert.equal((await node.request('GET', 'plain/new', { token: target.token })).status, 404);
    assert.equal((await ok(target, 'GET', 'sys/mounts/plain')).data.accessor, before.accessor);
    assert.equal((await ok(target, 'GET', 'secret/data/app')).data.data.at, 'secret/data/app then');
  };
  await check();
  await node.kill9();
  await node.restart();
  await node.unseal(keys);
  await check();
  // What was loaded is not there any more, and its space is free again.
  assert.equal((await node.request('LIST', LOAD, { token: target.token })).status, 404);
  id = await load();
});

it('brings back a mount that was disabled, in its namespace', async () => {
  await ok(target, 'DELETE', 'team/sys/mounts/secret');
  await waitUntil(
    async () => (await node.request('GET', 'team/secret/data/app', { token: target.token })).status === 404,
    { what: 'the mount to go' },
  );
  await refused({ path: 'team/secret/data/app' }, 404, /bring back the mount first/);
  await recover({ mount: 'team/secret' });
  assert.equal((await ok(target, 'GET', 'team/secret/data/app')).data.data.at, 'team/secret/data/app then');
});

it('works when the keys were rotated since', async () => {
  await ok(target, 'POST', 'sys/rotate');
  await ok(target, 'POST', 'plain/app', { at: 'later still' });
  await recover({ path: 'plain/app' });
  assert.equal((await ok(target, 'GET', 'plain/app')).data.at, 'then');
});

it('is a matter of four commands', async () => {
  const path = join(node.folder, 'backup.snap');
  writeFileSync(path, file);
  const environment = { VAULT_ADDR: node.address, VAULT_TOKEN: keys.rootToken };
  const coffer = async (...argv: string[]) => {
    const options = { environment, homeDirectory: node.folder, clock: foregroundClock };
    const { code, output, error } = await runCoffer(['operator', 'snapshot', ...argv], options);
    assert.equal(code, 0, error);
    return output;
  };
  assert.match(await coffer('unload', id), /^Success! /);
  const loaded = /snapshot_id +(\S+)/.exec(await coffer('load', path))?.[1] ?? '';
  await ok(target, 'POST', 'plain/app', { at: 'now' });
  assert.match(await coffer('recover', `-snapshot-id=${loaded}`, 'plain/app'), /^Success! /);
  assert.equal((await ok(target, 'GET', 'plain/app')).data.at, 'then');
  assert.match(await coffer('recover', `-snapshot-id=${loaded}`, '-mount', 'plain'), /201 records/);
  assert.match(await coffer('unload', loaded), /^Success! /);
});
