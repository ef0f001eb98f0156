/**
 * A node that is cut off while leases come and go and quotas change: after a restart each quota's counter is the number of
 * leases that there are.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { type CofferNode, start } from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 4);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const WORKERS = 6;

it(`counts leases exactly over ${rounds} cuts`, async () => {
  const random = seededRandom(seed);
  const node = await start();
  try {
    const keys = await node.initAndUnseal();
    const token = keys.rootToken;
    const call = (method: string, path: string, body?: unknown) =>
      node.request(method, path, { token, body });
    await call('POST', 'sys/quotas/lease-count/all', { max_leases: 1_000_000 });
    for (let round = 0; round < rounds; round++) {
      let replies = 0;
      let cut = false;
      const working = Array.from({ length: WORKERS }, async (_, worker) => {
        const accessors: string[] = [];
        while (!cut) {
          try {
            const made = await call('POST', 'auth/token/create', { policies: ['default'], ttl: '1h' });
            accessors.push(made.json().auth.accessor);
            if (worker % 2 === 0 && accessors.length > 2)
              await call('POST', 'auth/token/revoke-accessor', { accessor: accessors.shift() });
            if (worker === 1)
              await call('POST', 'sys/quotas/lease-count/create', {
                path: 'auth/token/create',
                max_leases: 9e6 + replies,
              });
            replies++;
          } catch {
            return;
          }
        }
      });
      await waitUntil(() => replies > 20, { what: 'some replies' });
      await new Promise((resolve) => setTimeout(resolve, random.below(300)));
      cut = round % 2 === 1;
      await node.kill9();
      cut = true;
      await Promise.all(working);
      await node.restart();
      await node.unseal(keys);
      await waitUntil(async () => (await countsAgree(node, token)) === true, { what: 'the count to end' });
      const { leases, counted } = await numbers(node, token);
      assert.equal(counted, leases, `round ${round}`);
      assert.ok(leases > 0);
    }
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    await node.stop();
  }
});

/** Where the cut came while all were being counted, that goes on after the start. */
async function countsAgree(node: CofferNode, token: string): Promise<boolean> {
  const { leases, counted } = await numbers(node, token);
  return leases === counted;
}

async function numbers(node: CofferNode, token: string): Promise<{ leases: number; counted: number }> {
  const read = async (path: string) => (await node.request('GET', path, { token })).json().data ?? {};
  const leases = (await read('sys/leases/count')).lease_count as number;
  let counted = 0;
  for (const name of ['all', 'create']) counted += (await read(`sys/quotas/lease-count/${name}`)).leases ?? 0;
  return { leases, counted };
}
