/**
 * A node that is cut off at any moment while it takes or restores a snapshot: afterwards it has all of the old state or all
 * of the new, and what it gave out as a whole file is one. COFFER_CRASH_ROUNDS=100 for more, COFFER_SEED to repeat.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { readSnapshot } from '../../src/snapshot-file/read.ts';
import { KEY_FIRST } from '../../src/store/keys.ts';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { type CofferNode, start } from '../services/coffer.ts';
import { ok, restore, SNAPSHOT, save, type Target } from './node.ts';

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 8);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const SECRETS = 40;

it(`has the old state or the new when it is killed ${rounds} times while it restores`, async () => {
  const random = seededRandom(seed);
  const node = await start();
  try {
    const keys = await node.initAndUnseal();
    const target = { node, token: keys.rootToken };
    await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv' });
    await write(target, 'a');
    const a = await save(target);
    const revoked = await ok(target, 'POST', 'auth/token/create', { policies: ['default'] });
    await write(target, 'b');
    const b = await save(target);
    // How long a restore takes when nobody disturbs it.
    const startedMs = performance.now();
    assert.equal((await restore(target, a)).status, 204);
    const wholeMs = performance.now() - startedMs;
    const seen = new Set<string>();
    let now = 'a';
    for (let round = 0; round < rounds; round++) {
      const next = now === 'a' ? 'b' : 'a';
      const answered = restore(target, next === 'a' ? a : b).then(
        ({ status }) => status,
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, random.below(Math.ceil(wholeMs * 1.2))));
      await node.kill9();
      const status = await answered;
      checkTables(node);
      await node.restart();
      await node.unseal(keys);
      const found = await stateOf(target);
      if (status === 204) assert.equal(found, next, 'what was answered holds');
      seen.add(found === next ? 'new' : 'old');
      const token = await node.request('GET', 'auth/token/lookup-self', { token: revoked.auth.client_token });
      assert.equal(token.status, found === 'a' ? 403 : 200, 'tokens are of the same state');
      assert.equal((await ok(target, 'GET', 'sys/storage/snapshot/confirm')).data.expiry_paused, true);
      now = found;
    }
    assert.doesNotMatch(node.logs(), /damaged|failed unexpectedly/);
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    await node.stop();
  }
});

it('gives out no file that passes for whole when it is killed while it takes it', async () => {
  const random = seededRandom(seed);
  const node = await start();
  try {
    const keys = await node.initAndUnseal();
    const target = { node, token: keys.rootToken };
    await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv' });
    await write(target, 'a');
    for (let round = 0; round < 4; round++) {
      const pieces: Buffer[] = [];
      const taking = take(target, pieces);
      await new Promise((resolve) => setTimeout(resolve, random.below(60)));
      await node.kill9();
      const complete = await taking;
      const whole = await readSnapshot(pieces, {}).then(
        () => true,
        () => false,
      );
      assert.equal(whole, complete, 'a file is whole exactly when it was answered to its end');
      await node.restart();
      await node.unseal(keys);
      assert.equal(await stateOf(target), 'a');
    }
  } finally {
    await node.stop();
  }
});

/** Whether the reply came to its end. */
async function take({ node, token }: Target, pieces: Buffer[]): Promise<boolean> {
  try {
    const reply = await fetch(`${node.address}/v1/${SNAPSHOT}`, { headers: { 'X-Vault-Token': token } });
    for await (const piece of reply.body ?? []) pieces.push(Buffer.from(piece));
    return reply.ok;
  } catch {
    return false;
  }
}

async function write(target: Target, state: string): Promise<void> {
  const value = state.repeat(50_000);
  for (let n = 0; n < SECRETS; n++) await ok(target, 'POST', `secret/${n}`, { state, value });
  await ok(target, 'POST', `secret/only-${state}`, { state });
}

/** Throws where not all is of one state. */
async function stateOf(target: Target): Promise<string> {
  const keys: string[] = (await ok(target, 'LIST', 'secret')).data.keys;
  const only = keys.filter((key) => key.startsWith('only-'));
  const states = new Set<string>();
  for (const key of keys)
    if (!only.includes(key)) states.add((await ok(target, 'GET', `secret/${key}`)).data.state);
  const [state = ''] = states;
  assert.equal(states.size, 1, `states ${[...states]} in one store`);
  // The second state was written over the first.
  assert.deepEqual(only, state === 'a' ? ['only-a'] : ['only-a', 'only-b'], 'all of the state is there');
  return state;
}

function checkTables(node: CofferNode): void {
  const copy = openLmdbCopy({ path: join(node.folder, 'data') });
  assert.ok(copy.keys({ start: KEY_FIRST, end: undefined, limit: 1_000_000 }).length > SECRETS);
  void copy.close();
}
