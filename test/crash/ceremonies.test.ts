/**
 * Key ceremonies of a node that is killed at each of their commits, just before and just after it: what opened the
 * server before still does, or what its holders were given since; the root token and every secret are there.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { decrypt, generateKey, readMessage } from 'openpgp';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import type { JsonReply } from '../services/http.ts';
import { waitUntil } from '../services/process.ts';

const PROGRAM = [
  process.execPath,
  '--import',
  new URL('kill-at-commit.ts', import.meta.url).href,
  join(import.meta.dirname, '../../bin/coffer.ts'),
] as const;
const STATIC = `seal "static" {\n  current_key_id = "one"\n  current_key = "${Buffer.alloc(32, 7).toString('base64')}"\n}`;

type When = 'before' | 'after';
const BOTH: readonly When[] = ['before', 'after'];

/** A node, and what its operators hold. */
class World {
  readonly node: CofferNode;
  readonly #folder: TemporaryFolder;
  readonly #orders: string;
  token = '';
  keys: readonly string[] = [];

  private constructor(node: CofferNode, folder: TemporaryFolder, orders: string) {
    this.node = node;
    this.#folder = folder;
    this.#orders = orders;
  }

  static async start(configuration = ''): Promise<World> {
    const folder = await temporaryFolder('orders');
    const orders = join(folder.path, 'order');
    const node = await coffer.start({ program: PROGRAM, env: { KILL_ORDER: orders }, configuration });
    return new World(node, folder, orders);
  }

  async stop(): Promise<void> {
    await this.node.stop();
    await this.#folder.remove();
  }

  async ok(method: string, path: string, body?: object, token = this.token): Promise<JsonReply> {
    const answer = await this.node.request(method, path, { token, ...(body ? { body } : {}) });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? {} : answer.json();
  }

  /** Initialises, unseals and leaves a secret behind. */
  async furnish(): Promise<this> {
    const automatic = (await this.ok('GET', 'sys/seal-status')).recovery_seal;
    const counts = automatic
      ? { recovery_shares: 2, recovery_threshold: 2 }
      : { secret_shares: 2, secret_threshold: 2 };
    const made = await this.ok('PUT', 'sys/init', counts);
    this.token = made.root_token;
    this.keys = automatic ? made.recovery_keys : made.keys;
    if (!automatic) assert.ok(await this.opensWith(this.keys));
    await this.ok('POST', 'cubbyhole/kept', { n: 1 });
    return this;
  }

  /** Sends a request of which the node dies at that commit; then it is up again, sealed or not as it started. */
  async dieAt(order: string, request: () => Promise<unknown>, { answered = false } = {}): Promise<void> {
    writeFileSync(this.#orders, order);
    const told = await request().then(
      () => true,
      () => false,
    );
    assert.equal(
      told,
      answered,
      `the node ${told ? 'answered instead of dying' : 'did not answer'}: ${order}`,
    );
    await this.node.kill9();
    rmSync(this.#orders);
    await this.node.restart();
  }

  async opensWith(keys: readonly string[]): Promise<boolean> {
    if ((await this.node.request('GET', 'sys/health')).status === 200) {
      await this.ok('PUT', 'sys/seal', {});
    }
    await this.node.request('PUT', 'sys/unseal', { body: { reset: true } });
    for (const key of keys) await this.node.request('PUT', 'sys/unseal', { body: { key } });
    return (await this.node.request('GET', 'sys/health')).status === 200;
  }

  /** Everything is as it was, by the shares that the operators hold now. */
  async check(): Promise<void> {
    assert.ok(await this.opensWith(this.keys), 'the shares open the server');
    assert.equal((await this.ok('GET', 'cubbyhole/kept')).data.n, 1);
    assert.doesNotMatch(this.node.logs(), /is damaged|failed unexpectedly/);
  }

  async begin(prefix: string, body: object): Promise<string> {
    const started = await this.ok('POST', prefix, body, '');
    return (started.data ?? started).nonce;
  }

  /** Gives all shares but the last. */
  async giveMost(path: string, nonce: string): Promise<{ key: string; nonce: string }> {
    for (const key of this.keys.slice(0, -1)) await this.ok('POST', path, { key, nonce }, '');
    return { key: this.keys.at(-1)!, nonce };
  }
}

let world: World;

/** Runs in a world of its own, initialised and unsealed unless told otherwise. */
const inWorld =
  (work: () => Promise<void>, { configuration = '', furnish = true } = {}) =>
  async () => {
    world = await World.start(configuration);
    try {
      if (furnish) await world.furnish();
      await work();
    } finally {
      await world.stop();
    }
  };

const rekey = (prefix: string, settings: object) => async () => {
  const nonce = await world.begin(`${prefix}/init`, settings);
  return world.giveMost(`${prefix}/update`, nonce);
};
const post = (path: string, body: object, token = world.token) =>
  world.node.request('POST', path, { body, token });

const NEW_SHARES = { secret_shares: 3, secret_threshold: 3 };

describe('killed in a key ceremony', () => {
  test(
    'initialising, before its commit: the server is as new',
    inWorld(
      async () => {
        await world.dieAt('before 1 core/keyring', () =>
          post('sys/init', { secret_shares: 1, secret_threshold: 1 }),
        );
        assert.equal((await world.ok('GET', 'sys/init')).initialized, false);
        await world.furnish();
        await world.check();
      },
      { furnish: false },
    ),
  );

  test(
    'new shares with verification: the old ones until enough new ones were given back, then those',
    inWorld(async () => {
      const settings = { secret_shares: 2, secret_threshold: 2, require_verification: true };
      for (const given of [1, 2]) {
        const nonce = await world.begin('sys/rekey/init', settings);
        for (const key of world.keys.slice(0, given))
          await world.ok('POST', 'sys/rekey/update', { key, nonce }, '');
        await world.node.kill9();
        await world.node.restart();
        await world.check();
        assert.equal((await world.ok('GET', 'sys/rekey/init')).started, false);
      }
      for (const when of BOTH) {
        const last = await rekey('sys/rekey', settings)();
        const made = await world.ok('POST', 'sys/rekey/update', last, '');
        const nonce = made.verification_nonce;
        await world.ok('POST', 'sys/rekey/verify', { nonce, key: made.keys[0] }, '');
        await world.dieAt(`${when} 1 core/root-key`, () =>
          post('sys/rekey/verify', { nonce, key: made.keys[1] }, ''),
        );
        const [holding, void_] = when === 'after' ? [made.keys, world.keys] : [world.keys, made.keys];
        assert.equal(await world.opensWith(void_), false);
        world.keys = holding;
        await world.check();
      }
    }),
  );

  for (const [what, prefix, configuration] of [
    ['key shares', 'sys/rekey', ''],
    ['recovery shares', 'sys/rekey-recovery-key', STATIC],
  ] as const) {
    test(
      `new ${what} that nobody was given: the old ones; that were given: the new ones`,
      inWorld(
        async () => {
          const begin = rekey(prefix, NEW_SHARES);
          for (const when of BOTH) {
            const last = await begin();
            await world.dieAt(`${when} 1 core/root-key`, () => post(`${prefix}/update`, last, ''));
            await world.check();
          }
          // The reply is out, the old shares are not yet forgotten.
          const last = await begin();
          let made: JsonReply = {};
          await world.dieAt(
            'before 2 core/previous-shares',
            async () => {
              made = await world.ok('POST', `${prefix}/update`, last, '');
            },
            { answered: true },
          );
          const old = world.keys;
          world.keys = made.keys;
          await world.check();
          assert.equal(await world.opensWith(old), false);
          await world.check();
        },
        { configuration },
      ),
    );
  }

  test(
    'new shares for PGP keys, kept in the store: the old ones, without a trace; or those of the store',
    inWorld(async () => {
      const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: 'Ada' }], format: 'object' });
      const pgpKey = Buffer.from(publicKey.write()).toString('base64');
      const begin = rekey('sys/rekey', {
        secret_shares: 2,
        secret_threshold: 2,
        pgp_keys: [pgpKey, pgpKey],
        backup: true,
      });
      const backup = () => world.node.request('GET', 'sys/rekey/backup', { token: world.token });
      for (const when of BOTH) {
        const last = await begin();
        await world.dieAt(`${when} 1 core/root-key`, () => post('sys/rekey/update', last, ''));
        await world.check();
        assert.equal((await backup()).status, 404);
      }
      await world.ok('POST', 'sys/rekey/update', await begin(), '');
      const kept = (await backup()).json().data.keys_base64[publicKey.getFingerprint()] as string[];
      await world.node.kill9();
      await world.node.restart();
      world.keys = await Promise.all(
        kept.map(async (message) => {
          const binaryMessage = Buffer.from(message, 'base64');
          return (
            await decrypt({ message: await readMessage({ binaryMessage }), decryptionKeys: privateKey })
          ).data;
        }),
      );
      await world.check();
    }),
  );

  for (const [what, configuration] of [
    ['key shares', ''],
    ['an automatic seal', STATIC],
  ] as const) {
    test(
      `a new root key behind ${what}: all that opened opens`,
      inWorld(
        async () => {
          for (const when of BOTH) {
            await world.dieAt(`${when} 1 core/root-key`, () => post('sys/rotate/root', {}));
            if (configuration) assert.equal((await world.node.request('GET', 'sys/health')).status, 200);
            await world.check();
          }
        },
        { configuration },
      ),
    );
  }

  test(
    'a new root token: none, or one that nobody knows, and another attempt',
    inWorld(async () => {
      const generate = async () => {
        const started = await world.ok('POST', 'sys/generate-root/attempt', {}, '');
        const last = await world.giveMost('sys/generate-root/update', started.nonce);
        return { last, otp: started.otp };
      };
      for (const when of BOTH) {
        const { last } = await generate();
        await world.dieAt(`${when} 1 tokens/key/`, () => post('sys/generate-root/update', last, ''));
        await world.check();
        assert.equal((await world.ok('GET', 'sys/generate-root/attempt')).started, false);
      }
      const { last, otp } = await generate();
      const { encoded_token } = await world.ok('POST', 'sys/generate-root/update', last, '');
      await world.node.kill9();
      await world.node.restart();
      assert.ok(await world.opensWith(world.keys));
      world.token = (await world.ok('POST', 'sys/decode-token', { encoded_token, otp })).data.token;
      await world.ok('GET', 'sys/mounts');
    }),
  );

  test(
    'a new encryption key, records brought under it, older keys retired: everything stays readable',
    inWorld(async () => {
      await world.ok('POST', 'sys/mounts/kv', { type: 'kv' });
      const records = Array.from({ length: 120 }, (_, n) => n);
      for (const n of records) await world.ok('POST', `kv/${n}`, { n });
      const check = async (term: number) => {
        await world.check();
        assert.equal((await world.ok('GET', 'sys/key-status')).data.term, term);
        for (const n of records) assert.equal((await world.ok('GET', `kv/${n}`)).data.n, n);
      };
      const status = async () => (await world.ok('GET', 'sys/rotate/keyring/reencryption')).data.state;
      const complete = () =>
        waitUntil(async () => (await status()) === 'complete', { what: 're-encryption' });
      await world.dieAt('before 1 core/keyring', () => post('sys/rotate', {}));
      await check(1);
      await world.dieAt('after 1 core/keyring', () => post('sys/rotate', {}));
      await check(2);
      await complete();
      for (const [term, when] of [
        [3, 'before 2'],
        [4, 'after 2'],
        [5, 'before 4'],
      ] as const) {
        // The second slice and the fourth: the rotation itself is answered.
        await world.dieAt(`${when} core/reencryption`, () => rotateAndWait());
        await check(term);
      }
      await complete();
      for (const when of BOTH) {
        await world.dieAt(`${when} 1 core/keyring`, () =>
          post('sys/rotate/keyring/retire', { older_than: 0 }),
        );
        await check(5);
        const left = (await world.ok('GET', 'sys/key-status')).data.keys.length;
        assert.equal(left, when === 'before' ? 5 : 1);
      }
    }),
  );
});

/** Rejects when the node is gone. */
async function rotateAndWait(): Promise<void> {
  await world.ok('POST', 'sys/rotate', {});
  await waitUntil(
    async () => (await world.ok('GET', 'sys/rotate/keyring/reencryption')).data.state === 'complete',
    { what: 'the node to die' },
  );
}
