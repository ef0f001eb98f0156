/**
 * A node that is cut off while its seal is being migrated or replaced: it is as before or as after, never between, and
 * nothing is lost. COFFER_CRASH_ROUNDS=100 for more, COFFER_SEED to repeat.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { type Made, SealNode, type Stanza, staticSeal } from '../seals/node.ts';

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 8);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const DELAY_MS_MAX = 60;

const left = ({ type, options }: Stanza): Stanza => ({ type, options: { ...options, disabled: true } });

it(`is as before or as after when it is killed ${rounds} times while its seal changes`, async () => {
  const random = seededRandom(seed);
  const server = await SealNode.start([]);
  try {
    const made = await server.initialize('shares');
    await server.unseal(made);
    const token = made.rootToken;
    await server.ok('POST', 'sys/mounts/kv', { token, body: { type: 'kv' } });
    await server.ok('PUT', 'kv/kept', { token, body: { word: 'open sesame' } });
    const outcomes = new Set<string>();
    let seal: Stanza | undefined;
    for (let round = 0; round < rounds; round++) {
      const next = staticSeal(round + 1, { name: `seal-${round}` });
      const goal = seal === undefined ? 'automatic' : random.below(2) === 0 ? 'shares' : 'another';
      const outcome =
        goal === 'another'
          ? await replaceSeal(server, { random, from: seal!, to: next })
          : await migrateSeal(server, { random, made, stanza: seal ? left(seal) : next });
      outcomes.add(`${goal}: ${outcome}`);
      seal = goal === 'shares' ? undefined : next;
      assert.equal((await server.ok('GET', 'kv/kept', { token })).data.word, 'open sesame');
      await checkAlone(server, { made, seal });
    }
    assert.doesNotMatch(server.node.logs(), /damaged|failed unexpectedly/);
    assert.ok(outcomes.size > 0, [...outcomes].join());
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}\n${server.node.logs()}`, {
      cause: error,
    });
  } finally {
    await server.stop();
  }
});

/** Shares give the server to the seal of the stanza, or take it from a disabled one; carried through in the end. */
async function migrateSeal(
  server: SealNode,
  { random, made, stanza }: { random: Random; made: Made; stanza: Stanza },
): Promise<'before' | 'after'> {
  await server.reload([stanza]);
  assert.equal((await server.status()).migration, true);
  const unsealing = server.unseal(made, { migrate: true }).catch(() => {});
  await pause(random.below(DELAY_MS_MAX));
  await server.node.kill9();
  await unsealing;
  await server.restart();
  const { migration, type } = await server.status();
  const toShares = stanza.options.disabled === true;
  assert.equal(type, migration === toShares ? 'static' : 'shamir', 'one or the other');
  if (migration) await server.unseal(made, { migrate: true });
  else if (toShares) await server.unseal(made);
  await server.unsealed();
  return migration ? 'before' : 'after';
}

/** Nobody is needed: the one that is left unseals as long as the other does not. */
async function replaceSeal(
  server: SealNode,
  { random, from, to }: { random: Random; from: Stanza; to: Stanza },
): Promise<'any'> {
  server.configure([to, left(from)]);
  server.node.signal('SIGHUP');
  await pause(random.below(DELAY_MS_MAX));
  await server.node.kill9();
  await server.restart();
  await server.unsealed();
  await server.fullyWrapped();
  return 'any';
}

/** With the new seal alone it unseals by itself; and with the shares alone in any case. */
async function checkAlone(
  server: SealNode,
  { made, seal }: { made: Made; seal: Stanza | undefined },
): Promise<void> {
  await server.restart([]);
  assert.equal((await server.unseal(made)).sealed, false);
  if (!seal) return;
  await server.restart([seal]);
  await server.unsealed();
  await server.fullyWrapped();
}
