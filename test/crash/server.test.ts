/**
 * A node that is cut off at any moment under concurrent writes over HTTP: after a restart everything that it acknowledged
 * is there, what it acknowledged to have ended is gone for good, and nothing is there by half.
 * COFFER_CRASH_ROUNDS=100 for more, COFFER_SEED to repeat.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import type { JsonReply } from '../services/http.ts';
import { waitUntil } from '../services/process.ts';

const rounds = Number(process.env.COFFER_CRASH_ROUNDS ?? 6);
const seed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const DELAY_MS_MAX = 700;
const COUNTERS = 6;

it(`keeps all it acknowledged and nothing by half when it is killed ${rounds} times`, async () => {
  const random = seededRandom(seed);
  const node = await start({ audit: true });
  try {
    const keys = await node.initAndUnseal();
    const told = new Told();
    const client = new Client(node, keys);
    await furnish(client);
    for (let round = 0; round < rounds; round++) {
      const before = told.replies;
      const working = work(client, told);
      // A busy machine may take a while to acknowledge anything; what matters is where after that the cut falls.
      await waitUntil(() => told.replies > before, { what: 'the first reply' });
      await new Promise((resolve) => setTimeout(resolve, random.below(DELAY_MS_MAX)));
      await node.kill9();
      await working;
      assert.ok(told.replies > before, 'nothing was acknowledged: the test did not test');
      checkRecords(node);
      await node.restart();
      await node.unseal(keys);
      await checkAcknowledged(client, told);
    }
    assert.doesNotMatch(node.logs(), /damaged|failed unexpectedly|is not there/);
  } catch (error) {
    throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  } finally {
    await node.stop();
  }
});

/** What the node has answered, and so must stand by. */
class Told {
  replies = 0;
  /** By counter. */
  readonly counted = new Map<number, number>();
  /** Sent, perhaps without an answer. */
  readonly attempted = new Map<number, number>();
  /** By accessor. */
  readonly tokens = new Map<string, string>();
  /** Whose revocation was sent, perhaps without an answer. */
  readonly ending = new Set<string>();
  readonly ended = new Map<string, string>();
  /** Secret-ids and wrapping tokens that were used for good. */
  readonly spentSecretIds: string[] = [];
  readonly unwrapped: string[] = [];
}

class Client {
  readonly #node: CofferNode;
  readonly #token: string;
  constructor(node: CofferNode, { rootToken }: UnsealKeys) {
    this.#node = node;
    this.#token = rootToken;
  }
  send(method: string, path: string, body?: unknown, options: { token?: string; wrap?: boolean } = {}) {
    const { token = this.#token, wrap } = options;
    const headers: Record<string, string> = wrap ? { 'X-Vault-Wrap-TTL': '1h' } : {};
    return this.#node.request(method, path, { token, headers, ...(body === undefined ? {} : { body }) });
  }
  async ok(...request: Parameters<Client['send']>): Promise<JsonReply> {
    const { status, text, json } = await this.send(...request);
    assert.ok(status < 300, `${request[0]} ${request[1]}: ${status} ${text}`);
    return text === '' ? {} : json();
  }
}

async function furnish(client: Client): Promise<void> {
  await client.ok('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await client.ok('POST', 'sys/auth/approle', { type: 'approle' });
  await client.ok('POST', 'auth/approle/role/web', { secret_id_num_uses: 1, token_policies: ['default'] });
  await client.ok('POST', 'auth/approle/role/web/role-id', { role_id: 'web' });
}

/** Until the node is gone. */
async function work(client: Client, told: Told): Promise<void> {
  const workers = [
    ...Array.from({ length: COUNTERS }, (_, counter) => () => count(client, told, counter)),
    () => makeToken(client, told),
    () => makeToken(client, told),
    () => endToken(client, told),
    () => logIn(client, told),
    () => logIn(client, told),
    () => unwrapOnce(client, told),
  ];
  await Promise.all(
    workers.map(async (step) => {
      for (;;) {
        try {
          await step();
          told.replies++;
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          return;
        }
      }
    }),
  );
}

/** Each counter has one writer, so its versions are the numbers that were written. */
async function count(client: Client, told: Told, counter: number): Promise<void> {
  const now = told.counted.get(counter) ?? 0;
  told.attempted.set(counter, now + 1);
  await client.ok('POST', `secret/data/counter-${counter}`, { data: { n: now + 1 }, options: { cas: now } });
  told.counted.set(counter, now + 1);
}

async function makeToken(client: Client, told: Told): Promise<void> {
  const { auth } = await client.ok('POST', 'auth/token/create', { policies: ['default'], ttl: '1h' });
  told.tokens.set(auth.accessor, auth.client_token);
}

async function endToken(client: Client, told: Told): Promise<void> {
  const [accessor] = [...told.tokens.keys()].filter((each) => !told.ending.has(each));
  if (accessor === undefined) return void (await client.ok('GET', 'sys/health'));
  told.ending.add(accessor);
  await client.ok('POST', 'auth/token/revoke-accessor', { accessor });
  told.ended.set(accessor, told.tokens.get(accessor)!);
}

async function logIn(client: Client, told: Told): Promise<void> {
  const { data } = await client.ok('POST', 'auth/approle/role/web/secret-id', {});
  const { auth } = await client.ok(
    'POST',
    'auth/approle/login',
    { role_id: 'web', secret_id: data.secret_id },
    { token: '' },
  );
  told.spentSecretIds.push(data.secret_id);
  told.tokens.set(auth.accessor, auth.client_token);
}

async function unwrapOnce(client: Client, told: Told): Promise<void> {
  const { wrap_info } = await client.ok('POST', 'sys/wrapping/wrap', { value: 'once' }, { wrap: true });
  const { data } = await client.ok('POST', 'sys/wrapping/unwrap', undefined, { token: wrap_info.token });
  assert.equal(data.value, 'once');
  told.unwrapped.push(wrap_info.token);
}

async function checkAcknowledged(client: Client, told: Told): Promise<void> {
  for (const [counter, attempted] of told.attempted) {
    const acknowledged = told.counted.get(counter) ?? 0;
    const { status, json } = await client.send('GET', `secret/data/counter-${counter}`);
    if (acknowledged === 0 && status === 404) continue;
    const { data, metadata } = json().data;
    assert.ok(
      data.n >= acknowledged && data.n <= attempted,
      `counter ${counter} is ${data.n}, not ${acknowledged} to ${attempted}`,
    );
    assert.equal(metadata.version, data.n, 'a version is the number that was written as it');
    told.counted.set(counter, data.n);
  }
  const living = [...told.tokens].filter(([accessor]) => !told.ending.has(accessor));
  for (const [accessor, token] of living.slice(-40)) {
    const { data } = await client.ok('POST', 'auth/token/lookup-accessor', { accessor });
    assert.equal(data.accessor, accessor);
    assert.equal((await client.send('GET', 'auth/token/lookup-self', undefined, { token })).status, 200);
  }
  for (const token of [...told.ended.values()].slice(-40))
    assert.equal((await client.send('GET', 'auth/token/lookup-self', undefined, { token })).status, 403);
  // Fewer than lock the role out.
  for (const secret_id of told.spentSecretIds.slice(-3))
    assert.equal(
      (await client.send('POST', 'auth/approle/login', { role_id: 'web', secret_id }, { token: '' })).status,
      400,
    );
  for (const token of told.unwrapped.slice(-10))
    assert.equal((await client.send('POST', 'sys/wrapping/unwrap', undefined, { token })).status, 400);
}

/** The names of records are in the clear: each batch is there with all it writes, or not at all. */
function checkRecords(node: CofferNode): void {
  const copy = openLmdbCopy({ path: join(node.folder, 'data') });
  const keys = copy.keys({ start: '\u0001', end: undefined, limit: 1_000_000 });
  void copy.close();
  const under = (prefix: string) =>
    keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  const tokens = new Set(under('tokens/key/'));
  assert.equal(under('tokens/accessor/').length, tokens.size, 'each token has its accessor');
  const leases = under('leases/id/');
  const due = under('leases/due/').map((key) => key.slice(key.indexOf('/') + 1));
  assert.deepEqual(due.sort(), [...leases].sort(), 'each lease falls due');
  const leased = leases.map((id) => id.slice(id.lastIndexOf('/h') + 2));
  assert.deepEqual(
    leased.filter((key) => !tokens.has(key)),
    [],
    'no lease of a token that is not there',
  );
  assert.equal(leased.length, tokens.size - 1, 'each token but the root one has its lease');
  for (const child of under('tokens/child/'))
    assert.ok(tokens.has(child.split('/')[1]!), 'a child that is not there');
  for (const wrapped of under('wrapping/')) assert.ok(tokens.has(wrapped), 'a reply wrapped for nobody');
  const versions = keys.flatMap((key) => [...key.matchAll(/^(logical\/[^/]+\/)versions\/(.+)\/\d+$/g)]);
  for (const [key, mount, path] of versions)
    assert.ok(keys.includes(`${mount}metadata/${path}`), `${key} without metadata`);
}
