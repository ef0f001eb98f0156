import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { systemRandom as random } from '../base/random.ts';
import type { SealDeps } from './options.ts';
import { type Seal, SealUnavailable, UnwrapFailed, type WrappedKey, wrapProven } from './seal.ts';

/** Where a seal under test has its key. */
export interface Keeper {
  /** As at each start of a server. */
  open(): Promise<Seal>;
  /** Gives the key a new version, by the service or in what `open` will be configured with. */
  rotate(): Promise<void>;
  /** Makes the service go away; the returned function brings it back as it was. */
  away(): Promise<() => Promise<void>>;
  /** What must not be in a record or an error: PINs, tokens. */
  readonly secrets: readonly string[];
  /** What of the calls could be seen, by the service or on the way there. */
  seen?(): string;
  close(): Promise<void>;
}

export const testSealDeps: SealDeps = {
  random,
  clock: systemClock,
  logger: silentLogger,
  environment: {},
};

const ANSWER_MS_MAX = 40_000;

/** What every seal must do; each kind's own test calls it with a real keeper. A seal with its keys in memory is `local`. */
export function sealConformance(
  name: string,
  setUp: () => Promise<Keeper>,
  { local = false }: { local?: boolean } = {},
): void {
  const using = async (work: (keeper: Keeper) => Promise<void>): Promise<void> => {
    const keeper = await setUp();
    await work(keeper).finally(() => keeper.close());
  };
  const rootKey = random.bytes(32);
  const stored = (wrapped: WrappedKey): WrappedKey => JSON.parse(JSON.stringify(wrapped));

  test(`${name}: what it wrapped it unwraps, after a restart too`, () =>
    using(async (keeper) => {
      const first = await keeper.open();
      const wrapped = stored(await wrapProven(first, rootKey));
      assert.deepEqual([wrapped.seal, wrapped.type], [first.name, first.type]);
      assert.equal(wrapped.key_id, first.keyId);
      assert.notEqual((await first.wrap(rootKey)).ciphertext, wrapped.ciphertext, 'never twice the same');
      first.close();
      const second = await keeper.open();
      assert.deepEqual(await second.unwrap(wrapped), rootKey);
      second.close();
    }));

  test(`${name}: a damaged or moved record does not unwrap`, () =>
    using(async (keeper) => {
      const seal = await keeper.open();
      const wrapped = await seal.wrap(rootKey);
      const bytes = Buffer.from(wrapped.ciphertext, 'base64');
      const flipped = [5, bytes.length - 20, bytes.length - 1].map((at) => {
        const copy = Buffer.from(bytes);
        copy[at]! ^= 1;
        return { ...wrapped, ciphertext: copy.toString('base64') };
      });
      const cut = bytes.subarray(0, bytes.length - 1).toString('base64');
      const moved = [
        { ...wrapped, seal: 'elsewhere' },
        { ...wrapped, type: 'elsewhere' },
      ];
      for (const bad of [
        ...flipped,
        ...moved,
        { ...wrapped, ciphertext: cut },
        { ...wrapped, ciphertext: '' },
      ])
        await assert.rejects(seal.unwrap(bad), unwrapFailedOrRefused, bad.ciphertext);
      await assert.rejects(seal.unwrap({ ...wrapped, key_id: 'elsewhere' }));
      assert.deepEqual(await seal.unwrap(wrapped), rootKey, 'and the good one still does');
      seal.close();
    }));

  test(`${name}: after its key was rotated old records unwrap, and new ones are by the new key`, () =>
    using(async (keeper) => {
      const seal = await keeper.open();
      const old = stored(await seal.wrap(rootKey));
      await keeper.rotate();
      seal.close();
      const rotated = await keeper.open();
      assert.deepEqual(await rotated.unwrap(old), rootKey);
      const renewed = await wrapProven(rotated, rootKey);
      assert.notEqual(renewed.key_id, old.key_id);
      assert.equal(rotated.keyId, renewed.key_id);
      rotated.close();
    }));

  test(`${name}: neither its records nor what is said to its service tell a secret`, () =>
    using(async (keeper) => {
      const seal = await keeper.open();
      const wrapped = await seal.wrap(rootKey);
      assert.deepEqual(await seal.unwrap(wrapped), rootKey);
      seal.close();
      withoutSecrets(keeper, JSON.stringify(wrapped));
      const texts = [keeper.seen?.() ?? '', Buffer.from(wrapped.ciphertext, 'base64').toString('latin1')];
      for (const form of ['base64', 'base64url', 'hex', 'latin1'] as const)
        for (const text of texts) assert.ok(!text.includes(rootKey.toString(form)), 'the root key');
    }));

  if (local) return;
  test(`${name}: while the service is away calls end soon, and work when it is back`, () =>
    using(async (keeper) => {
      const seal = await keeper.open();
      const wrapped = await seal.wrap(rootKey);
      const back = await keeper.away();
      const startMs = systemClock.monotonic();
      await assert.rejects(seal.wrap(rootKey), SealUnavailable);
      await assert.rejects(seal.unwrap(wrapped), SealUnavailable);
      const opened = await keeper.open();
      await assert.rejects(opened.unwrap(wrapped), (error: Error) => withoutSecrets(keeper, error.message));
      assert.ok(systemClock.monotonic() - startMs < ANSWER_MS_MAX);
      await back();
      for (const each of [seal, opened]) {
        assert.deepEqual(await each.unwrap(wrapped), rootKey);
        each.close();
      }
    }));
}

function withoutSecrets({ secrets }: Keeper, text: string): true {
  for (const secret of secrets) assert.ok(!text.includes(secret), text);
  return true;
}

/** Some services give no other answer to what is not theirs than to a failure of their own. */
function unwrapFailedOrRefused(error: unknown): boolean {
  return error instanceof UnwrapFailed || error instanceof SealUnavailable;
}
