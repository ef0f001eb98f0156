import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Logger, silentLogger } from '../base/logger.ts';
import { systemRandom as random } from '../base/random.ts';
import { sealConformance } from './conformance.ts';
import { isStale, type Seal, SealUnavailable, UnwrapFailed, unwrapWithAny, wrapWithAll } from './seal.ts';
import { createShamirSeal, RECOVERY, unwrapWithShares } from './shamir.ts';
import { collectShares } from './shares.ts';
import { createStaticKeyFile, openStaticSeal, StaticSealInvalid, staticKeyFileConfig } from './static.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-seal-'));
});
after(() => rm(folder, { recursive: true }));

sealConformance(
  'static',
  async () => {
    const keys = ['ab', 'cd'].map((byte) => byte.repeat(32));
    let config = { current_key_id: '1', current_key: keys[0]! };
    return {
      open: () => openStaticSeal(config, deps),
      async rotate() {
        const { current_key_id: previous_key_id, current_key: previous_key } = config;
        config = Object.assign(
          { current_key_id: '2', current_key: keys[1]! },
          { previous_key_id, previous_key },
        );
      },
      away: async () => async () => {},
      secrets: keys,
      close: async () => {},
    };
  },
  { local: true },
);

const environment: Record<string, string> = {};
const deps = { random, logger: silentLogger, environment };
const rootKey = random.bytes(32);

test('a Shamir seal unwraps with enough of its shares', async () => {
  const { seal, shares } = await createShamirSeal({ shares: 5, threshold: 3, random });
  const wrapped = JSON.parse(JSON.stringify(await seal.wrap(rootKey)));
  seal.close();
  const collector = collectShares({ thresholds: [3], random });
  let key: Buffer | undefined;
  for (const share of shares.slice(2)) key = await collector.submit(share.toString('base64'));
  assert.deepEqual(await unwrapWithShares({ key: key!, wrapped, random }), rootKey);
  assert.deepEqual(key, Buffer.alloc(32), 'the key is zeroed');
});

test('a wrong share is an invalid key, after which all are given again', async () => {
  const { seal, shares } = await createShamirSeal({ shares: 3, threshold: 2, random });
  const wrapped = await seal.wrap(rootKey);
  const collector = collectShares({ thresholds: [2], random });
  await collector.submit(shares[0]!.toString('hex'));
  shares[1]![5]! ^= 1;
  const key = await collector.submit(shares[1]!.toString('hex'));
  await assert.rejects(unwrapWithShares({ key: key!, wrapped, random }), {
    code: 'invalid_request',
    message: 'Unseal failed, invalid key',
  });
  assert.equal(collector.progress, 0);
});

test('a damaged or moved record does not unwrap', async () => {
  const { seal } = await createShamirSeal({ shares: 1, threshold: 1, random });
  const wrapped = await seal.wrap(rootKey);
  const flipped = Buffer.from(wrapped.ciphertext, 'base64');
  flipped[20]! ^= 1;
  for (const bad of [
    { ...wrapped, ciphertext: flipped.toString('base64') },
    { ...wrapped, ciphertext: '' },
    { ...wrapped, seal: 'other' },
    { ...wrapped, type: 'static' },
    { ...wrapped, key_id: 'other' },
  ]) {
    await assert.rejects(seal.unwrap(bad), UnwrapFailed);
  }
});

test('recovery shares unseal when the automatic seal is gone', async () => {
  const automatic = await openStaticSeal({ current_key_id: 'a', current_key: '00'.repeat(32) }, deps);
  const recovery = await createShamirSeal({ shares: 2, threshold: 2, random, name: RECOVERY });
  const { records } = await wrapWithAll([automatic, recovery.seal], rootKey);
  const wrapped = records.find((record) => record.seal === RECOVERY)!;
  const collector = collectShares({ thresholds: [2], random });
  await collector.submit(recovery.shares[0]!.toString('hex'));
  const key = await collector.submit(recovery.shares[1]!.toString('hex'));
  assert.deepEqual(await unwrapWithShares({ key: key!, wrapped, random }), rootKey);
});

test('any of several seals unseals, and the failures of the others are told', async () => {
  const working = await openStaticSeal(
    { name: 'b', current_key_id: '1', current_key: 'ab'.repeat(32) },
    deps,
  );
  const away: Seal = {
    type: 'transit',
    name: 'a',
    keyId: '1',
    wrap: () => Promise.reject(new SealUnavailable('connection refused')),
    unwrap: () => Promise.reject(new SealUnavailable('connection refused')),
    close: () => {},
  };
  const { records, failures } = await wrapWithAll([away, working], rootKey);
  assert.deepEqual(
    failures.map(({ seal }) => seal),
    ['a'],
  );
  const stored = [...records, { seal: 'a', type: 'transit', key_id: '1', ciphertext: '' }];
  const tried: unknown[] = [];
  const unwrapped = await unwrapWithAny([away, working], stored, ({ name }, error) =>
    tried.push([name, error?.message]),
  );
  assert.deepEqual([unwrapped.rootKey, unwrapped.seal.name], [rootKey, 'b']);
  assert.deepEqual(tried, [
    ['a', 'connection refused'],
    ['b', undefined],
  ]);
  await assert.rejects(unwrapWithAny([away], stored), SealUnavailable);
  await assert.rejects(unwrapWithAny([working], []), UnwrapFailed);
  await assert.rejects(wrapWithAll([away], rootKey), SealUnavailable);
});

test('a static key is read from text, environment and file, and the previous one unwraps', async () => {
  const old = await openStaticSeal({ current_key_id: '1', current_key: 'cd'.repeat(32) }, deps);
  const wrapped = await old.wrap(rootKey);
  environment.NEW_KEY = random.bytes(32).toString('base64');
  const file = join(folder, 'old.key');
  await writeFile(file, `${'cd'.repeat(32)}\n`, { mode: 0o600 });
  const rotated = await openStaticSeal(
    {
      current_key_id: '2',
      current_key: 'env://NEW_KEY',
      previous_key_id: '1',
      previous_key: `file://${file}`,
    },
    deps,
  );
  const unwrapped = await unwrapWithAny([rotated], [wrapped]);
  assert.deepEqual([unwrapped.rootKey, isStale(rotated, unwrapped.wrapped)], [rootKey, true]);
  assert.equal((await rotated.wrap(rootKey)).key_id, '2');
  rotated.close();
  await assert.rejects(rotated.unwrap(wrapped), UnwrapFailed);
});

test('a created key file has mode 0600, is not overwritten, and is found again', async () => {
  const path = join(folder, 'seal.key');
  const config = await createStaticKeyFile(path, random);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await readFile(path)).length, 32);
  await assert.rejects(createStaticKeyFile(path, random), { code: 'EEXIST' });
  assert.deepEqual(await staticKeyFileConfig(path, silentLogger), config);
  const wrapped = await (await openStaticSeal(config, deps)).wrap(rootKey);
  assert.deepEqual(await (await openStaticSeal(config, deps)).unwrap(wrapped), rootKey);
});

test('mistakes of a static seal name the field and never the key', async () => {
  const secret = 'c2VjcmV0LXNlY3JldA==';
  for (const [config, message] of [
    [{ current_key_id: '', current_key: 'ab' }, /current_key_id is required/],
    [{ current_key_id: '1', current_key: '' }, /current_key is required/],
    [{ current_key_id: '1', current_key: secret }, /current_key must be 32 bytes/],
    [{ current_key_id: '1', current_key: 'env://MISSING' }, /MISSING is not set/],
    [{ current_key_id: '1', current_key: `file://${folder}/none` }, /ENOENT/],
    [{ current_key_id: '1', current_key: `file://${folder}` }, /not a regular file/],
    [{ current_key_id: '1', current_key: '00'.repeat(32), previous_key: 'x' }, /previous_key_id is required/],
    [
      {
        current_key_id: '1',
        current_key: '00'.repeat(32),
        previous_key: '01'.repeat(32),
        previous_key_id: '1',
      },
      /must differ/,
    ],
  ] as const) {
    await assert.rejects(openStaticSeal(config, deps), (error: Error) => {
      assert.ok(error instanceof StaticSealInvalid);
      assert.match(error.message, message);
      return !error.message.includes(secret);
    });
  }
});

test('a key file that others may write is refused, one they may read is warned about', async () => {
  const path = join(folder, 'loose.key');
  await writeFile(path, random.bytes(32));
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const config = { current_key_id: '1', current_key: `file://${path}` };
  await chmod(path, 0o644);
  await openStaticSeal(config, { ...deps, logger });
  assert.equal(warnings.length, 1);
  await chmod(path, 0o620);
  await assert.rejects(openStaticSeal(config, deps), /may be changed by others/);
});
