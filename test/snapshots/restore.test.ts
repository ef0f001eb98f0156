/** Snapshots over HTTP, from a real node into itself and into another one. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';
import { expiryPaused, ok, restore, SNAPSHOT, save, type Target } from './node.ts';

describe('a snapshot', () => {
  let node: CofferNode;
  let keys: UnsealKeys;
  let target: Target;
  before(async () => {
    node = await start({ audit: true });
    keys = await node.initAndUnseal({ shares: 3, threshold: 2 });
    target = { node, token: keys.rootToken };
    await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  });
  beforeEach(async () => {
    await ok(target, 'POST', 'secret/data/kept', { data: { n: 'before' } });
  });
  after(() => node?.stop());

  const kept = async () => (await ok(target, 'GET', 'secret/data/kept')).data.data.n;

  it('brings everything back as it was: secrets, tokens, policies, mounts', async () => {
    const { auth } = await ok(target, 'POST', 'auth/token/create', { policies: ['default'], ttl: '1h' });
    await ok(target, 'POST', 'sys/policies/acl/mine', { policy: 'path "a" { capabilities = ["read"] }' });
    const file = await save(target);
    await ok(target, 'POST', 'secret/data/kept', { data: { n: 'after' } });
    await ok(target, 'POST', 'secret/data/new', { data: { n: 1 } });
    await ok(target, 'POST', 'auth/token/revoke', { token: auth.client_token });
    await ok(target, 'DELETE', 'sys/policies/acl/mine');
    await ok(target, 'POST', 'sys/mounts/later', { type: 'kv' });
    const later = await ok(target, 'POST', 'auth/token/create', { policies: ['default'] });

    assert.deepEqual(await restore(target, file), { status: 204, text: '' });

    assert.equal(await kept(), 'before');
    assert.equal((await node.request('GET', 'secret/data/new', { token: target.token })).status, 404);
    const mine = { node, token: auth.client_token };
    assert.equal((await ok(mine, 'GET', 'auth/token/lookup-self')).data.accessor, auth.accessor);
    assert.match((await ok(target, 'GET', 'sys/policies/acl/mine')).data.policy, /read/);
    assert.ok(!('later/' in (await ok(target, 'GET', 'sys/mounts')).data));
    const gone = await node.request('GET', 'auth/token/lookup-self', { token: later.auth.client_token });
    assert.equal(gone.status, 403);

    assert.ok(await expiryPaused(target));
    assert.equal((await node.request('GET', 'sys/seal-status')).json().expiry_paused, true);
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
    assert.ok(!(await expiryPaused(target)));
    assert.equal((await node.request('GET', 'sys/seal-status')).json().expiry_paused, undefined);

    await ok(target, 'POST', 'secret/data/kept', { data: { n: 'and on' } });
    await node.restart();
    await node.unseal(keys);
    assert.equal(await kept(), 'and on');
    assert.equal((await ok(mine, 'GET', 'auth/token/lookup-self')).data.accessor, auth.accessor);
  });

  it('stays to be confirmed over a restart and another restore', async () => {
    const file = await save(target);
    assert.equal((await restore(target, file)).status, 204);
    await node.restart();
    assert.equal((await node.request('GET', 'sys/seal-status')).json().expiry_paused, true);
    await node.unseal(keys);
    assert.ok(await expiryPaused(target));
    assert.match(node.logs(), /restored from a snapshot: no lease expires/);
    assert.equal((await restore(target, await save(target))).status, 204);
    const status = (await ok(target, 'GET', 'sys/storage/snapshot/confirm')).data;
    assert.equal(status.expiry_paused, true);
    assert.equal(typeof status.leases_due, 'number');
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
    const again = await node.request('POST', 'sys/storage/snapshot/confirm', { token: target.token });
    assert.equal(again.status, 400);
  });

  it('that is damaged, cut short or something else changes nothing', async () => {
    const file = await save(target);
    await ok(target, 'POST', 'secret/data/kept', { data: { n: 'now' } });
    const archive = gunzipSync(file);
    const flipped = Buffer.from(file);
    flipped[file.length >> 1]! ^= 1;
    const forged = Buffer.from(archive);
    forged[forged.lastIndexOf('"mac":"') + 8]! ^= 1;
    const wrong: Record<string, Uint8Array> = {
      'half of it': file.subarray(0, file.length >> 1),
      'all but its last byte': file.subarray(0, -1),
      'a flipped bit': flipped,
      'another code': gzipSync(forged),
      'something after it': Buffer.concat([file, Buffer.from('x')]),
      'something else': Buffer.from('hello'),
      'something else, compressed': gzipSync('hello'),
    };
    for (const [what, bytes] of Object.entries(wrong)) {
      for (const path of [SNAPSHOT, `${SNAPSHOT}-force`]) {
        const { status, text } = await restore(target, bytes, path);
        assert.equal(status, 400, `${what}: ${status} ${text}`);
        assert.match(text, /snapshot/, what);
      }
      assert.equal(await kept(), 'now', what);
    }
    const { status } = await node.request('POST', SNAPSHOT, { token: target.token });
    assert.equal(status, 400);
    assert.ok(!(await expiryPaused(target)));
    assert.equal((await restore(target, file)).status, 204);
    assert.equal(await kept(), 'before');
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
  });

  it('of other unseal keys needs force, and then the keys of then', async () => {
    const other = await start();
    try {
      const otherKeys = await other.initAndUnseal();
      const otherTarget = { node: other, token: otherKeys.rootToken };
      const file = await save(target);
      const refused = await restore(otherTarget, file);
      assert.equal(refused.status, 400);
      assert.match(refused.text, /force/);
      assert.equal((await ok(otherTarget, 'GET', 'sys/health')).sealed, false);

      assert.equal((await restore(otherTarget, file, `${SNAPSHOT}-force`)).status, 204);
      const status = (await other.request('GET', 'sys/seal-status')).json();
      assert.deepEqual([status.sealed, status.n, status.t], [true, 3, 2]);
      assert.equal(
        (await other.request('PUT', 'sys/unseal', { body: { key: otherKeys.keys[0] } })).status,
        200,
      );
      await other.request('PUT', 'sys/unseal', { body: { reset: true } });
      await other.unseal(keys);
      const moved = { node: other, token: target.token };
      assert.equal((await ok(moved, 'GET', 'secret/data/kept')).data.data.n, 'before');
      assert.ok(await expiryPaused(moved));
      await ok(moved, 'POST', 'sys/rotate');
      await other.restart();
      await other.unseal(keys);
      assert.equal((await ok(moved, 'GET', 'secret/data/kept')).data.data.n, 'before');
      const stranger = await other.request('GET', 'secret/data/kept', { token: otherKeys.rootToken });
      assert.equal(stranger.status, 403);
    } finally {
      await other.stop();
    }
  });

  it('that was forged is not served, even by force', async () => {
    const other = await start();
    try {
      const otherKeys = await other.initAndUnseal();
      const archive = gunzipSync(await save(target));
      archive[archive.lastIndexOf('"mac":"') + 8]! ^= 1;
      const otherTarget = { node: other, token: otherKeys.rootToken };
      assert.equal((await restore(otherTarget, gzipSync(archive), `${SNAPSHOT}-force`)).status, 204);
      const answers = [];
      for (const key of keys.keys.slice(0, 2))
        answers.push(await other.request('PUT', 'sys/unseal', { body: { key } }));
      assert.match(answers[1]!.text, /forged/);
      assert.equal((await other.request('GET', 'sys/seal-status')).json().sealed, true);
    } finally {
      await other.stop();
    }
  });

  it('is for those who may: the body is not even read from others', async () => {
    const { auth } = await ok(target, 'POST', 'auth/token/create', { policies: ['default'] });
    for (const token of ['', 'nobody', auth.client_token]) {
      const reply = await node.request('GET', SNAPSHOT, { token });
      assert.equal(reply.status, 403);
      const posted = await node
        .request('POST', SNAPSHOT, { token, body: Buffer.alloc(60 * 1024 * 1024) })
        .catch((error: NodeJS.ErrnoException) => assert.match(String(error.code), /EPIPE|ECONNRESET/));
      if (posted) assert.equal(posted.status, 403);
    }
  });

  it('may be longer than any other request', async () => {
    const value = 'x'.repeat(900 * 1024);
    for (let n = 0; n < 40; n++) await ok(target, 'POST', `secret/data/long-${n}`, { data: { value } });
    const file = await save(target);
    assert.ok(file.length > 35 * 1024 * 1024);
    for (let n = 0; n < 40; n++) await ok(target, 'DELETE', `secret/metadata/long-${n}`);
    assert.equal((await restore(target, file)).status, 204);
    assert.equal((await ok(target, 'GET', 'secret/data/long-39')).data.data.value, value);
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
  });

  it('is in the audit log, without its bytes', async () => {
    await save(target);
    await waitUntil(async () => /storage\/raft\/snapshot/.test(await read(node.auditFile)), {
      what: 'the entry',
    });
    const lines = (await read(node.auditFile)).split('\n').filter((line) => line.includes(`"${SNAPSHOT}"`));
    const operations = new Set(lines.map((line) => JSON.parse(line).request.operation));
    assert.deepEqual([...operations].sort(), ['read', 'update']);
    assert.ok(lines.every((line) => line.length < 5000));
  });
});

async function read(path: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(path, 'utf8');
}
