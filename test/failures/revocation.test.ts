/**
 * Revocation that fails is retried for ever with back-off up to a day, in sight of operators, whatever has become of role,
 * configuration and process meanwhile; only force forgets.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type EngineType, path } from '../../src/engine/engine.ts';
import { name } from '../../src/engine/fields.ts';
import { FailureNode, settle } from './node.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What the credentials are for: another system, that may be away or slow. */
class Target {
  readonly users = new Set<string>();
  down = false;
  gate: Promise<void> | undefined;
  readonly triedAtMs: number[] = [];
}

/** An engine over targets by the name of its mount. */
function credentials(targets: Map<string, Target>): EngineType {
  return {
    type: 'credentials',
    class: 'secret',
    summary: 'For this test.',
    open: ({ mount }) => {
      const target = new Target();
      targets.set(mount.path, targets.get(mount.path) ?? target);
      const at = () => targets.get(mount.path)!;
      return {
        paths: [
          path({
            pattern: 'creds/{name}',
            summary: 'A user of the target.',
            fields: { name: name('The user.') },
            operations: {
              read: {
                outside: true,
                async handler(_, { name: user }) {
                  await at().gate;
                  at().users.add(user);
                  return {
                    data: { user },
                    lease: { kind: 'user', internal: { user }, ttl: 600, renewable: false },
                  };
                },
              },
            },
          }),
        ],
        leases: {
          user: {
            outside: true,
            async revoke({ clock }, internal) {
              at().triedAtMs.push(clock.now());
              await at().gate;
              if (at().down) throw new Error('the target is away');
              at().users.delete(String(internal.user));
            },
          },
        },
      };
    },
  };
}

describe('revocation', () => {
  const targets = new Map<string, Target>();
  let node: FailureNode;
  let target: Target;
  let mounts = 0;
  let mount = '';
  before(async () => {
    node = await FailureNode.start({ manualClock: true, engines: [credentials(targets)] });
  });
  after(() => node.stop());
  beforeEach(async () => {
    mount = `target-${mounts++}`;
    await node.ok('POST', `sys/mounts/${mount}`, { body: { type: 'credentials' } });
    target = targets.get(`${mount}/`)!;
  });

  const lease = async (user: string, token = node.rootToken) =>
    (await node.ok('GET', `${mount}/creds/${user}`, { token })).lease_id as string;
  const irrevocable = async () =>
    (await node.ok('GET', 'sys/leases?type=irrevocable')).data.leases as {
      lease_id: string;
      error: string;
    }[];

  it('is tried again and again, a day apart in the end, and seen to be', async () => {
    const id = await lease('ann');
    target.down = true;
    await node.ok('POST', 'sys/leases/revoke', { body: { lease_id: id } });
    for (let minutes = 0; minutes < 12 * 60; minutes += 20) await node.pass(20 * MINUTE_MS);
    const inSight = (await irrevocable()).find(({ lease_id }) => lease_id === id);
    assert.equal(inSight?.error, 'the target is away');
    assert.equal((await node.ok('GET', 'sys/leases/count?type=irrevocable')).data.counts[`${mount}/`], 1);
    assert.match(node.serverLog(), /\[ERROR\].*revoking a lease failed/);
    for (let hours = 0; hours < 10 * 24; hours += 4) await node.pass(4 * 60 * MINUTE_MS);
    const waits = target.triedAtMs.slice(1).map((atMs, index) => atMs - target.triedAtMs[index]!);
    for (const [index, wait] of waits.entries())
      assert.ok(wait < 1.25 * DAY_MS + 5 * 60 * MINUTE_MS, `wait ${index} was ${wait} ms`);
    assert.ok(waits.length > 15 && waits.length < 60, `${waits.length} tries in ten days`);
    assert.ok(waits.at(-1)! > 10 * 60 * MINUTE_MS, 'it backs off');
    target.down = false;
    for (let hours = 0; hours < 36; hours++) await node.pass(60 * MINUTE_MS);
    assert.deepEqual([...target.users], []);
    assert.ok((await irrevocable()).every(({ lease_id }) => lease_id !== id));
  });

  it('goes on after the server was sealed, with what expired meanwhile', async () => {
    const id = await lease('ann');
    await lease('bob');
    target.down = true;
    await node.ok('POST', 'sys/leases/revoke', { body: { lease_id: id } });
    for (let tries = 0; tries < 40; tries++) await node.pass(10 * MINUTE_MS);
    await node.server.lifecycle.seal();
    await node.pass(3 * DAY_MS);
    target.down = false;
    await node.unseal();
    for (let tries = 0; tries < 30; tries++) await node.pass(60 * MINUTE_MS);
    assert.deepEqual([...target.users], []);
  });

  it('is given up by force alone, and said so', async () => {
    const id = await lease('ann');
    target.down = true;
    assert.equal((await node.request('POST', `sys/leases/revoke-prefix/${mount}/creds`)).status, 500);
    assert.equal(
      (await node.request('DELETE', `sys/mounts/${mount}`)).status,
      500,
      'a mount with live leases is not lost by accident',
    );
    assert.equal(
      (await node.request('POST', 'sys/remount', { body: { from: mount, to: 'elsewhere' } })).status,
      500,
    );
    assert.equal((await node.request('GET', `${mount}/creds/bob`)).status, 200, 'the mount still serves');
    await node.ok('POST', `sys/leases/revoke-force/${mount}`);
    assert.match(node.serverLog(), new RegExp(`forgotten by force.*${id}`));
    assert.equal((await node.request('LIST', `sys/leases/lookup/${mount}/creds/ann`)).status, 404);
    assert.equal((await node.request('DELETE', `sys/mounts/${mount}`)).status, 204);
  });

  it('at a target that hangs holds up no other', async () => {
    const slow = target;
    const held = Promise.withResolvers<void>();
    for (let users = 0; users < 30; users++) await lease(`user-${users}`);
    slow.gate = held.promise;
    mount = `other-${mounts}`;
    await node.ok('POST', `sys/mounts/${mount}`, { body: { type: 'credentials' } });
    await lease('carol');
    await node.pass(11 * MINUTE_MS);
    await node.pass(1000);
    assert.deepEqual(
      [...targets.get(`${mount}/`)!.users],
      [],
      'the other mount’s lease has expired and gone',
    );
    assert.equal(slow.users.size, 30);
    held.resolve();
    for (let tries = 0; tries < 20; tries++) await node.pass(1000);
    assert.deepEqual([...slow.users], []);
  });

  it('follows a token, also for what is still being made for it', async () => {
    const rules = `path "${mount}/creds/*" { capabilities = ["read"] }`;
    const token = await node.tokenWith(rules);
    await lease('ann', token);
    const held = Promise.withResolvers<void>();
    target.gate = held.promise;
    const late = node.request('GET', `${mount}/creds/late`, { token });
    await settle();
    const revoking = node.request('POST', 'auth/token/revoke', { body: { token } });
    await settle();
    held.resolve();
    assert.equal((await revoking).status, 204);
    assert.equal((await late).status, 403);
    await settle();
    await node.pass(1000);
    assert.deepEqual([...target.users], []);
  });
});
