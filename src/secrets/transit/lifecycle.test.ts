import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { transit } from './engine.ts';

const plaintext = Buffer.from('the quick brown fox').toString('base64');
const context = Buffer.from('a context').toString('base64');

async function data(harness: Harness, path: string, body: UnknownRecord = {}): Promise<UnknownRecord> {
  return (await harness.write(path, body))?.data ?? {};
}
async function shown(harness: Harness, name = 'k'): Promise<UnknownRecord> {
  return (await harness.read(`keys/${name}`))?.data ?? {};
}
function refused(work: Promise<unknown>, message: RegExp | string): Promise<void> {
  return assert.rejects(work, { code: 'invalid_request', message });
}
/** Keys of stored records. */
function stored(harness: Harness, prefix: string): string[] {
  return [...harness.records.entries()].map(([key]) => key).filter((key) => key.startsWith(prefix));
}

test('a key is shown without anything secret', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  assert.deepEqual(await shown(harness), {
    name: 'k',
    type: 'aes256-gcm96',
    derived: false,
    exportable: false,
    allow_plaintext_backup: false,
    deletion_allowed: false,
    soft_deleted: false,
    imported: false,
    imported_key: false,
    auto_rotate_period: 0,
    latest_version: 1,
    min_available_version: 0,
    min_decryption_version: 1,
    min_encryption_version: 0,
    supports_encryption: true,
    supports_decryption: true,
    supports_signing: false,
    supports_derivation: true,
    keys: { 1: 1_700_000_000 },
  });
  const again = await harness.write('keys/k', { type: 'ed25519' });
  assert.deepEqual(again?.warnings, ['key k already existed']);
  assert.equal(again?.data?.type, 'aes256-gcm96');
  await harness.write('keys/ec', { type: 'ecdsa-p256' });
  const { keys } = await shown(harness, 'ec');
  assert.match(JSON.stringify(keys), /"name":"P-256","public_key":"-----BEGIN PUBLIC KEY-----\\n/);
  await assert.rejects(harness.read('keys/none'), { code: 'not_found' });
});

test('keys that make no sense are refused', async () => {
  const harness = openEngine(transit);
  const make = (body: UnknownRecord) => harness.write('keys/k', body);
  await refused(make({ type: 'managed_key' }), /managed_key are not supported/);
  await refused(make({ type: 'aes512' }), /unknown key type "aes512"/);
  await refused(make({ type: '__proto__' }), /unknown key type/);
  await refused(make({ type: 'ml-dsa' }), /parameter_set .* must be one of 44, 65, 87/);
  await refused(make({ type: 'hybrid' }), /hybrid are not supported/);
  await refused(make({ convergent_encryption: true }), /requires derivation/);
  await refused(make({ type: 'rsa-2048', derived: true }), /not supported for keys of type rsa-2048/);
  await refused(make({ type: 'ed25519', derived: true, convergent_encryption: true }), /convergent/);
  await refused(
    make({ auto_rotate_period: '59m' }),
    'auto rotate period must be 0 to disable or at least an hour',
  );
  await refused(make({ type: 'hmac', key_size: 31 }), /between 32 and 512/);
  await refused(make({ key_size: 32 }), /cannot be chosen/);
  assert.deepEqual(stored(harness, ''), []);
});

test('rotation: new ciphertexts are of the new version, old ones can still be read until they may not', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  const { ciphertext } = await data(harness, 'encrypt/k', { plaintext });
  await harness.write('keys/k/rotate');
  const second = await data(harness, 'encrypt/k', { plaintext });
  assert.match(String(second.ciphertext), /^vault:v2:/);
  assert.equal(second.key_version, 2);
  assert.deepEqual(await data(harness, 'decrypt/k', { ciphertext }), { plaintext });
  assert.equal((await data(harness, 'encrypt/k', { plaintext, key_version: 1 })).key_version, 1);
  const rewrapped = await data(harness, 'rewrap/k', { ciphertext });
  assert.equal(rewrapped.key_version, 2);
  await harness.write('keys/k/config', { min_encryption_version: 2 });
  await refused(
    harness.write('encrypt/k', { plaintext, key_version: 1 }),
    'requested version for encryption is less than the minimum encryption key version',
  );
  await refused(
    harness.write('encrypt/k', { plaintext, key_version: 3 }),
    /higher than the latest key version/,
  );
  await refused(harness.write('encrypt/k', { plaintext, key_version: -1 }), /is negative/);
  await refused(harness.write('keys/k/config', { min_encryption_version: 3 }), /latest key version is 2/);
  await refused(harness.write('keys/k/config', { min_decryption_version: 3 }), /latest key version is 2/);
  await refused(
    harness.write('keys/k/config', { min_encryption_version: 1, min_decryption_version: 2 }),
    /must be greater/,
  );
  await harness.write('keys/k/config', { min_decryption_version: 2 });
  await refused(
    harness.write('decrypt/k', { ciphertext }),
    'ciphertext or signature version is disallowed by policy (too old)',
  );
  assert.deepEqual(Object.keys((await shown(harness)).keys as UnknownRecord), ['2']);
  await harness.write('keys/k/config', { min_decryption_version: 1 });
  assert.deepEqual(await data(harness, 'decrypt/k', { ciphertext }), { plaintext });
  const forced = await harness.write('keys/k/config', { min_decryption_version: 0 });
  assert.match(String(forced?.warnings), /forcing minimum to 1/);
});

test('trimmed versions are gone for ever, also from the store', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  const { ciphertext } = await data(harness, 'encrypt/k', { plaintext });
  for (let n = 0; n < 3; n++) await harness.write('keys/k/rotate');
  const trim = (version: number) => harness.write('keys/k/trim', { min_available_version: version });
  await refused(trim(2), /minimum encryption version is not set/);
  await harness.write('keys/k/config', { min_encryption_version: 3, min_decryption_version: 3 });
  await refused(trim(4), /greater than minimum/);
  await refused(trim(0), /less than 1/);
  await trim(3);
  await refused(trim(2), /decremented/);
  assert.equal(stored(harness, 'versions/').length, 2);
  await refused(harness.write('keys/k/config', { min_decryption_version: 1 }), /were trimmed/);
  await refused(harness.write('decrypt/k', { ciphertext }), /too old/);
});

test('many versions are removed bit by bit', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  for (let n = 1; n < 600; n++) await harness.write('keys/k/rotate');
  assert.equal(Object.keys((await shown(harness)).keys as UnknownRecord).length, 600);
  await harness.write('keys/k/config', { deletion_allowed: true });
  await harness.delete('keys/k');
  await harness.write('keys/k', {});
  assert.equal(stored(harness, 'versions/').length, 101);
  await harness.runPeriodic('remove-old-versions');
  assert.equal(stored(harness, 'versions/').length, 1);
  assert.equal(stored(harness, 'sweep/').length, 0);
  assert.equal((await data(harness, 'encrypt/k', { plaintext })).key_version, 1);
});

test('a key is deleted only where that is allowed', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  await refused(harness.delete('keys/k'), 'error deleting policy k: deletion is not allowed for this policy');
  await harness.write('keys/k/config', { deletion_allowed: true });
  await harness.delete('keys/k');
  assert.deepEqual(stored(harness, ''), []);
  await refused(harness.delete('keys/k'), 'could not delete key k: not found');
  await refused(harness.write('keys/k/config', { deletion_allowed: true }), /no existing key named k/);
});

test('what is set for good cannot be taken back', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  for (const name of ['exportable', 'allow_plaintext_backup']) {
    await harness.write('keys/k/config', { [name]: true });
    await refused(harness.write('keys/k/config', { [name]: false }), /cannot be disabled/);
    assert.equal((await shown(harness))[name], true);
  }
});

test('a key that was softly deleted does nothing until it is restored', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', { exportable: true, allow_plaintext_backup: true });
  await harness.write('keys/rsa', { type: 'rsa-2048' });
  const { ciphertext } = await data(harness, 'encrypt/k', { plaintext });
  const { hmac } = await data(harness, 'hmac/k', { input: plaintext });
  await harness.delete('keys/k/soft-delete');
  for (const work of [
    () => harness.write('encrypt/k', { plaintext }),
    () => harness.write('decrypt/k', { ciphertext }),
    () => harness.write('rewrap/k', { ciphertext }),
    () => harness.write('datakey/wrapped/k'),
    () => harness.write('hmac/k', { input: plaintext }),
    () => harness.write('verify/k', { input: plaintext, hmac }),
    () => harness.write('keys/k/rotate'),
    () => harness.read('export/encryption-key/k'),
    () => harness.read('byok-export/rsa/k'),
  ])
    await refused(work(), /softly deleted/);
  assert.equal((await shown(harness)).soft_deleted, true);
  assert.deepEqual(await harness.list('keys'), ['k', 'rsa']);
  assert.ok((await harness.read('backup/k'))?.data?.backup);
  await harness.write('keys/k/soft-delete-restore');
  assert.deepEqual(await data(harness, 'decrypt/k', { ciphertext }), { plaintext });
});

test('keys rotate by themselves when their time has come, whatever happens to others', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/hourly', { auto_rotate_period: '1h' });
  await harness.write('keys/daily', { type: 'ed25519', auto_rotate_period: '24h' });
  await harness.write('keys/never', {});
  await harness.write('keys/paused', { auto_rotate_period: 3600 });
  await harness.delete('keys/paused/soft-delete');
  const latest = async (name: string) => (await shown(harness, name)).latest_version;
  const versions = async () => [
    await latest('hourly'),
    await latest('daily'),
    await latest('never'),
    await latest('paused'),
  ];
  harness.clock.advance(3_599_000);
  await harness.runPeriodic('rotate-keys');
  assert.deepEqual(await versions(), [1, 1, 1, 1]);
  harness.clock.advance(1000);
  await harness.runPeriodic('rotate-keys');
  assert.deepEqual(await versions(), [2, 1, 1, 1]);
  harness.clock.advance(86_400_000);
  await harness.runPeriodic('rotate-keys');
  await harness.runPeriodic('rotate-keys');
  assert.deepEqual(await versions(), [3, 2, 1, 1]);
  await harness.write('keys/hourly/config', { auto_rotate_period: 0 });
  await harness.write('keys/daily/config', { deletion_allowed: true });
  await harness.delete('keys/daily');
  assert.deepEqual(stored(harness, 'due/'), []);
});

test('derived keys: another context is another key; convergent ones give the same ciphertext', async () => {
  const harness = openEngine(transit);
  for (const type of ['aes128-gcm96', 'aes256-gcm96', 'chacha20-poly1305', 'xchacha20-poly1305']) {
    const name = type.slice(0, 6).replaceAll('-', '_');
    await harness.write(`keys/${name}`, { type, derived: true });
    await harness.write(`keys/${name}c`, { type, derived: true, convergent_encryption: true });
    await refused(harness.write(`encrypt/${name}`, { plaintext }), /missing 'context' for key derivation/);
    const other = Buffer.from('another').toString('base64');
    for (const key of [name, `${name}c`]) {
      const one = await data(harness, `encrypt/${key}`, { plaintext, context });
      const two = await data(harness, `encrypt/${key}`, { plaintext, context });
      assert.equal(one.ciphertext === two.ciphertext, key.endsWith('c'), key);
      const { ciphertext } = one;
      assert.deepEqual(await data(harness, `decrypt/${key}`, { ciphertext, context }), { plaintext });
      await refused(
        harness.write(`decrypt/${key}`, { ciphertext, context: other }),
        'cipher: message authentication failed',
      );
      const elsewhere = await data(harness, `encrypt/${key}`, { plaintext, context: other });
      assert.notEqual(elsewhere.ciphertext, ciphertext);
    }
    const { ciphertext } = await data(harness, `encrypt/${name}c`, { plaintext, context });
    const again = await data(harness, `rewrap/${name}c`, { ciphertext, context });
    assert.equal(again.ciphertext, ciphertext);
  }
});

test('two rotations and two creations of key pairs at once lose nothing', async () => {
  const harness = openEngine(transit);
  await Promise.all([
    harness.write('keys/k', { type: 'ecdsa-p256' }),
    harness.write('keys/k', { type: 'ed25519' }),
  ]);
  const { type } = await shown(harness);
  assert.equal(stored(harness, 'versions/').length, 1);
  await Promise.all([1, 2, 3, 4].map(() => harness.write('keys/k/rotate')));
  assert.equal((await shown(harness)).latest_version, 5);
  assert.equal((await shown(harness)).type, type);
  assert.equal(stored(harness, 'versions/').length, 5);
});

test('settings of the mount', async () => {
  const harness = openEngine(transit);
  assert.deepEqual((await harness.read('config/keys'))?.data, { disable_upsert: false });
  await harness.request('create', 'encrypt/new', { plaintext });
  await harness.write('config/keys', { disable_upsert: true });
  await refused(harness.write('encrypt/newer', { plaintext }), 'encryption key not found');
  assert.deepEqual(await harness.list('keys'), ['new']);
  assert.deepEqual((await harness.read('cache-config'))?.data, { size: 0 });
  await refused(harness.write('cache-config', { size: 9 }), /greater or equal to 10/);
  await harness.write('cache-config', { size: 10 });
  const reopened = await harness.reopen();
  assert.deepEqual((await reopened.read('cache-config'))?.data, { size: 10 });
  for (let n = 0; n < 40; n++) {
    await reopened.write(`keys/k${n}`, {});
    await reopened.write(`encrypt/k${n % 13}`, { plaintext });
  }
});

test('encryption makes a key that is not there, derived where there is a context', async () => {
  const harness = openEngine(transit);
  await harness.write('encrypt/plain', { plaintext });
  await harness.write('encrypt/derived', {
    plaintext,
    context,
    convergent_encryption: true,
    type: 'chacha20-poly1305',
  });
  assert.equal((await shown(harness, 'plain')).derived, false);
  const derived = await shown(harness, 'derived');
  assert.deepEqual(
    [derived.derived, derived.convergent_encryption, derived.type],
    [true, true, 'chacha20-poly1305'],
  );
  await refused(
    harness.write('encrypt/x', { plaintext, convergent_encryption: true }),
    /context is required/,
  );
  await refused(
    harness.write('encrypt/x', { plaintext, type: 'rsa-2048' }),
    /makes no keys of type rsa-2048/,
  );
  await refused(
    harness.write('encrypt/x', { batch_input: [{ plaintext }, { plaintext, context }] }),
    /all the request blocks or in none/,
  );
  await refused(harness.write('encrypt/x', { plaintext: '*' }), 'failed to base64-decode plaintext');
  assert.deepEqual(await harness.list('keys'), ['derived', 'plain']);
});
