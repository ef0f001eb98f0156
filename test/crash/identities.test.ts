/**
 * A node that is cut off in the midst of logins, merges and changes of groups: afterwards nobody is there twice or by half,
 * and who was told an id has it still.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { start } from '../services/coffer.ts';
import type { JsonReply } from '../services/http.ts';

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 4);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const DELAY_MS_MAX = 400;
const CLIENTS = 8;
const PEOPLE = 60;

it(`has everybody once and whole when it is killed ${rounds} times`, async () => {
  const random = seededRandom(seed);
  const node = await start();
  try {
    const keys = await node.initAndUnseal();
    const token = keys.rootToken;
    const send = (method: string, path: string, body?: unknown) =>
      node.request(method, path, { token, body });
    const data = async (method: string, path: string, body?: unknown): Promise<JsonReply['data']> =>
      (await send(method, path, body)).json().data;
    await send('POST', 'auth/token/roles/jobs', {
      allowed_entity_aliases: ['job-*'],
      allowed_policies: ['default'],
    });
    const group = (await data('POST', 'identity/group', { name: 'jobs' })).id as string;
    /** Ids that were told, by alias. */
    const told = new Map<string, string>();
    const logIn = async () => {
      const alias = `job-${random.below(PEOPLE)}`;
      const body = { entity_alias: alias, policies: ['default'] };
      const answer = await send('POST', 'auth/token/create/jobs', body);
      if (answer.status === 200) told.set(alias, answer.json().auth.entity_id);
    };
    const someId = () => [...told.values()][random.below(Math.max(1, told.size))];
    const change = async () => {
      const [one, other] = [someId(), someId()];
      if (random.below(3) === 0)
        await send('POST', `identity/entity/id/${one}`, { metadata: { n: `${random.below(9)}` } });
      else if (random.below(2) === 0)
        await send('POST', `identity/group/id/${group}`, { member_entity_ids: [one, other].filter(Boolean) });
      else await send('POST', 'identity/entity', { name: `name-${random.below(PEOPLE)}` });
    };
    for (let round = 0; round < rounds; round++) {
      let ended = false;
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (!ended) await (random.below(3) > 0 ? logIn() : change()).catch(() => {});
      });
      while (told.size < Math.min(PEOPLE, (round + 1) * 4)) await logIn().catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, random.below(DELAY_MS_MAX)));
      await node.kill9();
      ended = true;
      await Promise.all(clients);
      await node.restart();
      await node.unseal(keys);
      await check(data, told, group);
    }
    assert.doesNotMatch(node.logs(), /damaged|failed unexpectedly/);
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    await node.stop();
  }
});

async function check(
  data: (method: string, path: string, body?: unknown) => Promise<JsonReply['data']>,
  told: ReadonlyMap<string, string>,
  group: string,
): Promise<void> {
  const ids = (await data('LIST', 'identity/entity/id')).keys as string[];
  const names = new Set<string>();
  const aliases = new Map<string, string>();
  const members: string[] = [];
  for (const id of ids) {
    const entity = await data('GET', `identity/entity/id/${id}`);
    assert.ok(!names.has(entity.name), `${entity.name} is there twice`);
    names.add(entity.name);
    assert.equal((await data('GET', `identity/entity/name/${entity.name}`)).id, id);
    for (const alias of entity.aliases as { id: string; name: string; canonical_id: string }[]) {
      assert.ok(!aliases.has(alias.name), `${alias.name} is there twice`);
      aliases.set(alias.name, id);
      assert.equal((await data('GET', `identity/entity-alias/id/${alias.id}`)).canonical_id, id);
    }
    if (entity.direct_group_ids.includes(group)) members.push(id);
  }
  for (const [alias, id] of told) assert.equal(aliases.get(alias), id, `${alias} was somebody else`);
  const listed = (await data('GET', `identity/group/id/${group}`)).member_entity_ids as string[];
  assert.deepEqual(listed.toSorted(), members.toSorted());
  const { counters } = await data('GET', 'sys/internal/counters/entities');
  assert.deepEqual(counters, { entities: { total: ids.length } });
}
