/**
 * One mount that cannot be opened, or whose type is not there any more, fails alone: the server unseals, everything else
 * serves, and the mount's data, settings and leases wait until it can be opened again. So does one bad audit device.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { type Trouble, unreliableEngine } from './engines.ts';
import { FailureNode, type NodeOptions, settle } from './node.ts';

describe('a mount that fails to open', () => {
  let node: FailureNode;
  const trouble: Trouble = {};
  const engines = [unreliableEngine(trouble), unreliableEngine(trouble, 'auth')];
  const revoked: unknown[] = [];
  const start = async (options: NodeOptions = {}) => {
    delete trouble.opening;
    trouble.revoking = ({ login }) => void revoked.push(login);
    node = await FailureNode.start({ onDisk: true, engines, ...options });
    await node.ok('POST', 'sys/mounts/good', { body: { type: 'kv' } });
    await node.ok('POST', 'good/a', { body: { value: 'kept' } });
    for (const path of ['sys/mounts/odd', 'sys/auth/odd'])
      await node.ok('POST', path, { body: { type: 'unreliable', description: 'kept' } });
    for (const path of ['odd/role/a', 'auth/odd/role/a']) await node.ok('POST', path, { body: { value: 1 } });
  };
  afterEach(() => node.stop());

  for (const [what, spoil] of [
    ['throws', () => ({ between: async () => fail(trouble) })],
    ['has a type that is not there', () => ({ engines: [] })],
  ] as const) {
    it(`leaves the rest working when it ${what}, and comes back whole`, async () => {
      await start();
      await node.restart(spoil());
      assert.deepEqual((await node.ok('GET', 'good/a')).data, { value: 'kept' });
      assert.equal((await node.ok('GET', 'sys/health', { token: '' })).sealed, false);
      for (const path of ['odd/role/a', 'auth/odd/role/a', 'odd/creds/a', 'odd/role/a?help=1']) {
        const { status, text } = await node.request('GET', path);
        assert.equal(status, 500, path);
        assert.match(text, /the mount at (auth\/)?odd\/ could not be opened; see the server log/);
        assert.doesNotMatch(text, /canary/);
      }
      assert.equal((await node.request('GET', 'odd/role/a', { token: '' })).status, 403);
      assert.match(node.serverLog(), /a mount cannot be opened.*odd\//);
      await assertShown(node);

      delete trouble.opening;
      await node.restart({ engines });
      assert.deepEqual((await node.ok('GET', 'odd/role/a')).data, { value: 1 });
      assert.deepEqual((await node.ok('GET', 'auth/odd/role/a')).data, { value: 1 });
    });
  }

  it('keeps its leases until it can revoke them', async () => {
    await start({ manualClock: true });
    const { data } = await node.ok('GET', 'odd/creds/a');
    await node.restart({ engines: [] });
    await node.pass(120_000);
    await node.pass(3_600_000);
    assert.deepEqual(revoked, []);
    assert.equal(
      (await node.request('DELETE', 'sys/mounts/odd')).status,
      500,
      'its credential would live on',
    );
    await node.restart({ engines });
    await node.pass(2 * 86_400_000);
    assert.deepEqual(revoked, [data.login]);
  });

  it('can be disabled, moved and tuned', async () => {
    await start();
    await node.restart({ engines: [] });
    await node.ok('POST', 'sys/mounts/odd/tune', { body: { description: 'changed' } });
    await node.ok('POST', 'sys/remount', { body: { from: 'odd', to: 'odder' } });
    await settle();
    assert.equal((await node.ok('GET', 'sys/mounts')).data['odder/'].description, 'changed');
    await node.ok('DELETE', 'sys/mounts/odder');
    await node.ok('DELETE', 'sys/auth/odd');
    assert.equal((await node.ok('GET', 'sys/mounts')).data['odder/'], undefined);
  });

  it('is refused when it fails while it is being made', async () => {
    await start();
    trouble.opening = new Error('wrong canary option');
    const { status, text } = await node.request('POST', 'sys/mounts/new', { body: { type: 'unreliable' } });
    assert.ok(status >= 400, 'a mount that nobody can use is no success');
    assert.doesNotMatch(text, /canary/);
    assert.equal((await node.ok('GET', 'sys/mounts')).data['new/'], undefined);
    delete trouble.opening;
    await node.ok('POST', 'sys/mounts/new', { body: { type: 'unreliable' } });
  });
});

describe('an audit device of the configuration that does not work', () => {
  let node: FailureNode;
  afterEach(() => node.stop());
  const declared = (file_path: string) => ({
    audits: [{ path: 'declared', type: 'file', options: { file_path } }],
  });

  it('does not keep the server sealed when another device works', async () => {
    node = await FailureNode.start({ onDisk: true });
    const settings = declared(join(node.folder, 'missing', 'audit.log'));
    await node.restart({ settings });
    await node.ok('POST', 'sys/mounts/good', { body: { type: 'kv' } });
    assert.match(node.serverLog(), /declared.*missing|missing.*declared/);
    mkdirSync(join(node.folder, 'missing'));
    await node.restart({ settings });
    assert.deepEqual(Object.keys((await node.ok('GET', 'sys/audit')).data).sort(), ['declared/', 'file/']);
  });

  it('keeps requests out, not the server sealed, when it is the only one', async () => {
    node = await FailureNode.start({ onDisk: true, audit: false });
    const folder = join(node.folder, 'missing');
    await node.restart({ settings: declared(join(folder, 'audit.log')) });
    assert.equal((await node.ok('GET', 'sys/health', { token: '' })).sealed, false);
    const refused = await node.request('POST', 'sys/mounts/good', { body: { type: 'kv' } });
    assert.equal(refused.status, 500, 'nothing goes unrecorded');
    mkdirSync(folder);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await node.ok('POST', 'sys/mounts/fine', { body: { type: 'kv' } });
  });

  it('is left out when nobody understands it', async () => {
    node = await FailureNode.start({ onDisk: true });
    await node.restart({ settings: { audits: [{ path: 'odd', type: 'carrier-pigeon' }] } });
    assert.deepEqual(Object.keys((await node.ok('GET', 'sys/audit')).data), ['file/']);
    assert.match(node.serverLog(), /carrier-pigeon/);
  });
});

function fail(trouble: Trouble): void {
  trouble.opening = new Error('wrong canary option');
}

async function assertShown(node: FailureNode): Promise<void> {
  for (const kind of ['mounts', 'auth']) {
    const { data } = await node.ok('GET', `sys/${kind}`);
    assert.equal(data['odd/'].type, 'unreliable');
    assert.equal((await node.ok('GET', `sys/${kind}/odd`)).data.description, 'kept');
  }
}
