import assert from 'node:assert/strict';
import {
  constants,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import { systemRandom } from '../../base/random.ts';
import { wrapKey } from '../../crypto/key-wrap.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { transit } from './engine.ts';

const plaintext = Buffer.from('the quick brown fox').toString('base64');
const open = () => openEngine(transit, { random: systemRandom });

async function data(harness: Harness, path: string, body: UnknownRecord = {}): Promise<UnknownRecord> {
  return (await harness.write(path, body))?.data ?? {};
}
async function read(harness: Harness, path: string, query: UnknownRecord = {}): Promise<UnknownRecord> {
  return (await harness.read(path, query))?.data ?? {};
}
function refused(work: Promise<unknown>, message: RegExp | string): Promise<void> {
  return assert.rejects(work, { code: 'invalid_request', message });
}
async function only(harness: Harness, path: string, query: UnknownRecord = {}): Promise<string> {
  const { keys } = await read(harness, path, query);
  return String(Object.values(keys as UnknownRecord)[0]);
}

/** As somebody wraps who follows the documentation. */
function wrap(wrappingPem: unknown, material: Uint8Array, oaepHash = 'sha256'): string {
  const aesKey = randomBytes(32);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const wrapped = publicEncrypt({ key: String(wrappingPem), padding, oaepHash }, aesKey);
  return Buffer.concat([wrapped, wrapKey(aesKey, material)]).toString('base64');
}
const pkcs8 = (key: KeyObject) => key.export({ format: 'der', type: 'pkcs8' });
const spkiPem = (key: KeyObject) => String(key.export({ format: 'pem', type: 'spki' }));

test('keys come in under the wrapping key and work as they did outside', async () => {
  const harness = open();
  const { public_key: wrapping } = await read(harness, 'wrapping_key');
  assert.deepEqual(await read(harness, 'wrapping_key'), { public_key: wrapping });
  assert.equal(createPublicKey(String(wrapping)).asymmetricKeyDetails?.modulusLength, 4096);
  const secret = randomBytes(32);
  for (const [index, hash] of ['SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512'].entries()) {
    const ciphertext = wrap(wrapping, secret, hash.toLowerCase());
    await harness.write(`keys/aes${index}/import`, { ciphertext, hash_function: hash, exportable: true });
    assert.equal(await only(harness, `export/encryption-key/aes${index}`), secret.toString('base64'));
  }
  const pairs: [type: string, key: KeyObject][] = [
    ['ed25519', generateKeyPairSync('ed25519').privateKey],
    ['ecdsa-p384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['rsa-2048', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
  ];
  for (const [type, key] of pairs) {
    await harness.write(`keys/${type}/import`, {
      type,
      ciphertext: wrap(wrapping, pkcs8(key)),
      exportable: true,
    });
    const exported = await only(harness, `export/signing-key/${type}`, { format: 'pem' });
    assert.ok(createPrivateKey(exported).equals(key));
    const { signature } = await data(harness, `sign/${type}`, { input: plaintext });
    assert.deepEqual(await data(harness, `verify/${type}`, { input: plaintext, signature }), { valid: true });
    await refused(harness.write(`keys/${type}/rotate`), /does not allow rotation/);
    await refused(
      harness.write(`keys/${type}/import`, { type, public_key: spkiPem(createPublicKey(key)) }),
      /existing key/,
    );
  }
  const hmac = randomBytes(100);
  await harness.write('keys/mac/import', {
    type: 'hmac',
    ciphertext: wrap(wrapping, hmac),
    exportable: true,
  });
  assert.equal(await only(harness, 'export/hmac-key/mac'), hmac.toString('base64'));
});

test('what is wrapped wrongly, or is of another type, is refused without a reason', async () => {
  const harness = open();
  await refused(harness.write('keys/k/import', { ciphertext: 'AAAA' }), /there is no wrapping key yet/);
  const { public_key: wrapping } = await read(harness, 'wrapping_key');
  const good = wrap(wrapping, randomBytes(32));
  const bytes = Buffer.from(good, 'base64');
  const changed = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    return copy.toString('base64');
  };
  const bring = (body: UnknownRecord) => harness.write('keys/k/import', body);
  for (const at of [0, 511, 512, bytes.length - 1])
    await refused(bring({ ciphertext: changed(at) }), 'failed to unwrap the key material');
  await refused(bring({ ciphertext: good, hash_function: 'SHA1' }), 'failed to unwrap the key material');
  await refused(bring({ ciphertext: good, hash_function: 'MD5' }), /unsupported hash_function/);
  await refused(bring({ ciphertext: bytes.subarray(0, 512).toString('base64') }), /must be base64/);
  await refused(bring({ ciphertext: '*' }), /must be base64/);
  await refused(bring({}), /must be set/);
  await refused(bring({ ciphertext: good, type: 'aes128-gcm96' }), /invalid key size 32 bytes/);
  await refused(bring({ ciphertext: good, type: 'rsa-2048' }), /PKCS#8/);
  await refused(bring({ ciphertext: good, auto_rotate_period: '1h' }), /allow_rotation/);
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  for (const [type, key] of [
    ['ecdsa-p384', ec.privateKey],
    ['ed25519', ec.privateKey],
    ['rsa-3072', rsa.privateKey],
    ['rsa-2048', pss.privateKey],
    ['ecdsa-p256', rsa.privateKey],
  ] as const)
    await refused(
      bring({ type, ciphertext: wrap(wrapping, pkcs8(key)) }),
      `invalid key: it is not of type ${type}`,
    );
  await refused(
    bring({ type: 'aes256-gcm96', public_key: spkiPem(ec.publicKey) }),
    /no public key to import/,
  );
  await refused(
    bring({ type: 'ecdsa-p256', public_key: String(ec.privateKey.export({ format: 'pem', type: 'pkcs8' })) }),
    /must be in PEM/,
  );
  assert.deepEqual(await harness.list('keys'), []);
});

test('an RSA key whose parts do not belong together is refused', async () => {
  const harness = open();
  const { public_key: wrapping } = await read(harness, 'wrapping_key');
  const one = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const two = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const mixed = createPrivateKey({ key: { ...one, d: two.d, dp: two.dp, dq: two.dq }, format: 'jwk' });
  await refused(
    harness.write('keys/k/import', { type: 'rsa-2048', ciphertext: wrap(wrapping, pkcs8(mixed)) }),
    /do not belong together/,
  );
});

test('a public key verifies and encrypts; its private key can follow', async () => {
  const harness = open();
  const { public_key: wrapping } = await read(harness, 'wrapping_key');
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await harness.write('keys/k/import', {
    type: 'ecdsa-p256',
    public_key: spkiPem(pair.publicKey),
    allow_rotation: true,
  });
  await refused(harness.write('sign/k', { input: plaintext }), /has no private key/);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bring = (body: UnknownRecord) => harness.write('keys/k/import_version', body);
  await refused(bring({ ciphertext: wrap(wrapping, pkcs8(other.privateKey)) }), /does not belong/);
  await bring({ ciphertext: wrap(wrapping, pkcs8(pair.privateKey)) });
  assert.equal((await read(harness, 'keys/k')).latest_version, 1);
  await data(harness, 'sign/k', { input: plaintext });
  await refused(
    bring({ ciphertext: wrap(wrapping, pkcs8(pair.privateKey)), version: 1 }),
    /lacks no private key/,
  );
  await bring({ public_key: spkiPem(other.publicKey) });
  await refused(bring({ public_key: spkiPem(other.publicKey), version: 2 }), /version cannot be set/);
  await bring({ ciphertext: wrap(wrapping, pkcs8(other.privateKey)), version: 2 });
  await bring({ ciphertext: wrap(wrapping, pkcs8(other.privateKey)) });
  assert.equal((await read(harness, 'keys/k')).latest_version, 3);
  await harness.write('keys/k/rotate');
  await refused(bring({ public_key: spkiPem(pair.publicKey) }), /only be used with an imported key/);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await harness.write('keys/rsa/import', { type: 'rsa-2048', public_key: spkiPem(rsa.publicKey) });
  const { ciphertext } = await data(harness, 'encrypt/rsa', { plaintext });
  await refused(harness.write('decrypt/rsa', { ciphertext }), /has no private key/);
});

test('keys go out only where they may, in the forms there are', async () => {
  const harness = open();
  await harness.write('keys/closed', {});
  await refused(harness.read('export/encryption-key/closed'), 'key closed is not exportable');
  await refused(harness.read('byok-export/closed/closed'), /RSA type/);
  for (const type of ['aes128-gcm96', 'ed25519', 'ecdsa-p256', 'rsa-2048'])
    await harness.write(`keys/${type}`, { type, exportable: true });
  await refused(harness.read('export/signing-key/aes128-gcm96'), /not available/);
  await refused(harness.read('export/encryption-key/ed25519'), /not available/);
  await refused(harness.read('export/nothing/ed25519'), 'invalid export type');
  await refused(
    harness.read('export/encryption-key/aes128-gcm96/2'),
    'version does not exist or cannot be found',
  );
  await refused(harness.read('export/encryption-key/aes128-gcm96/x'), 'invalid key version');
  assert.equal(
    Buffer.from(await only(harness, 'export/encryption-key/aes128-gcm96/latest'), 'base64').length,
    16,
  );
  assert.equal(Buffer.from(await only(harness, 'export/signing-key/ed25519'), 'base64').length, 64);
  assert.match(await only(harness, 'export/signing-key/ecdsa-p256'), /BEGIN EC PRIVATE KEY/);
  assert.match(await only(harness, 'export/encryption-key/rsa-2048'), /BEGIN RSA PRIVATE KEY/);
  assert.match(await only(harness, 'export/signing-key/rsa-2048', { format: 'pem' }), /BEGIN PRIVATE KEY/);
  assert.match(await only(harness, 'export/public-key/rsa-2048'), /BEGIN PUBLIC KEY/);
  const seed = Buffer.from(await only(harness, 'export/signing-key/ed25519'), 'base64').subarray(32);
  assert.equal(await only(harness, 'export/public-key/ed25519'), seed.toString('base64'));
  await harness.write('keys/aes128-gcm96/rotate');
  await harness.write('keys/aes128-gcm96/config', { min_decryption_version: 2 });
  assert.deepEqual(Object.keys((await read(harness, 'export/hmac-key/aes128-gcm96')).keys as UnknownRecord), [
    '2',
  ]);
  await refused(harness.read('export/hmac-key/aes128-gcm96/1'), /below minimum decryption version/);
});

test('a key goes from one mount to another without being seen', async () => {
  const [from, to] = [open(), open()];
  const { public_key } = await read(to, 'wrapping_key');
  await from.write('keys/other/import', { type: 'rsa-4096', public_key });
  for (const type of ['aes256-gcm96', 'ed25519']) {
    await from.write(`keys/${type}`, { type, exportable: true });
    const ciphertext = await only(from, `byok-export/other/${type}/latest`);
    await to.write(`keys/${type}/import`, { type, ciphertext });
  }
  const { ciphertext } = await data(from, 'encrypt/aes256-gcm96', { plaintext });
  assert.deepEqual(await data(to, 'decrypt/aes256-gcm96', { ciphertext }), { plaintext });
  const { signature } = await data(from, 'sign/ed25519', { input: plaintext });
  assert.deepEqual(await data(to, 'verify/ed25519', { input: plaintext, signature }), { valid: true });
});

test('a backup brings a key back with everything, under any name', async () => {
  const from = open();
  const kinds: UnknownRecord[] = [
    { type: 'aes256-gcm96', derived: true, convergent_encryption: true },
    { type: 'rsa-2048' },
    { type: 'ed25519' },
    { type: 'hmac', key_size: 48 },
    { type: 'ml-dsa', parameter_set: '65' },
  ];
  for (const [index, kind] of kinds.entries()) {
    const name = `k${index}`;
    await from.write(`keys/${name}`, {
      ...kind,
      exportable: true,
      allow_plaintext_backup: true,
      auto_rotate_period: 7200,
    });
    await from.write(`keys/${name}/rotate`);
    const { hmac } = await data(from, `hmac/${name}`, { input: plaintext });
    const { backup } = await read(from, `backup/${name}`);
    const to = open();
    await to.write('restore', { backup });
    await to.write('restore/other', { backup });
    await refused(to.write('restore/other', { backup }), /already exists/);
    await to.write('restore/other', { backup, force: true });
    assert.deepEqual(await read(to, `keys/${name}`), await read(from, `keys/${name}`));
    assert.deepEqual(await data(to, 'verify/other', { input: plaintext, hmac }), { valid: true });
    assert.equal([...to.records.entries()].filter(([key]) => key.startsWith('versions/')).length, 4);
  }
  await from.write('keys/not', { exportable: true });
  await refused(from.read('backup/not'), 'plaintext backup is disallowed on the policy');
});

test('the backup of the documentation can be restored', async () => {
  const harness = open();
  await harness.write('restore', { backup: DOCUMENTED });
  const { keys, latest_version, type } = await read(harness, 'keys/aes');
  assert.deepEqual([keys, latest_version, type], [{ 1: 1512751808 }, 1, 'aes256-gcm96']);
  await harness.write('keys/aes/config', { exportable: true });
  assert.equal(
    await only(harness, 'export/encryption-key/aes'),
    'W+y8gGN0wbL2K9Oy5qO7YZ0kcw3/GFb5c8I0svSL2qM=',
  );
});

test('backups that were tampered with are refused', async () => {
  const harness = open();
  await harness.write('keys/k', { exportable: true, allow_plaintext_backup: true });
  const { backup } = await read(harness, 'backup/k');
  const sound = JSON.parse(Buffer.from(String(backup), 'base64').toString());
  const changed = (policy: UnknownRecord) =>
    Buffer.from(JSON.stringify({ policy: { ...sound.policy, ...policy } })).toString('base64');
  for (const policy of [
    { type: 7 },
    { type: 'rsa-2048' },
    { latest_version: 2 },
    { latest_version: 0 },
    { latest_version: 1e9 },
    { min_decryption_version: 5 },
    { derived: true, kdf: 0 },
    { derived: 'yes' },
    { convergent_encryption: true, convergent_version: 3 },
    { keys: { 1: { ...sound.policy.keys[1], key: 'AAAA' } } },
    { keys: { 1: { ...sound.policy.keys[1], hmac_key: '' } } },
    { keys: { 1: null } },
    { keys: [] },
    { auto_rotate_period: 5 },
    { name: '../x' },
    { name: 1 },
  ])
    await assert.rejects(
      harness.write('restore', { backup: changed(policy), force: true }),
      { code: 'invalid_request' },
      JSON.stringify(policy),
    );
  for (const text of ['', '*', 'bnVsbA==', 'e30='])
    await assert.rejects(harness.write('restore', { backup: text }), { code: 'invalid_request' });
  assert.equal((await read(harness, 'keys/k')).latest_version, 1);
});

test('two sides derive the same key', async () => {
  const [mine, theirs] = [open(), open()];
  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521']) {
    const pem = async (side: Harness) => {
      await side.write(`keys/${type}`, { type });
      return only(side, `export/public-key/${type}`);
    };
    const [minePem, theirsPem] = [await pem(mine), await pem(theirs)];
    const derive = (side: Harness, peer_public_key: string) =>
      side.write(`derive-key/shared-${type}`, { base_key_name: type, peer_public_key });
    await derive(mine, theirsPem);
    await derive(theirs, minePem);
    await refused(derive(mine, theirsPem), /already exists/);
    const { ciphertext } = await data(mine, `encrypt/shared-${type}`, { plaintext });
    assert.deepEqual(await data(theirs, `decrypt/shared-${type}`, { ciphertext }), { plaintext });
  }
  const outside = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await mine.write('derive-key/outside', {
    base_key_name: 'ecdsa-p256',
    peer_public_key: spkiPem(outside.publicKey),
  });
  await mine.write('keys/outside/config', { exportable: true });
  const publicKey = createPublicKey(await only(mine, 'export/public-key/ecdsa-p256'));
  const shared = diffieHellman({ privateKey: outside.privateKey, publicKey });
  const expected = Buffer.from(hkdfSync('sha256', shared, '', '', 32)).toString('base64');
  assert.equal(await only(mine, 'export/encryption-key/outside'), expected);
});

test('points that are on no curve, or on another, derive nothing', async () => {
  const harness = open();
  await harness.write('keys/base', { type: 'ecdsa-p256' });
  await harness.write('keys/ed', { type: 'ed25519' });
  const spki = Buffer.from(
    spkiPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey).replaceAll(/-.*-|\s/g, ''),
    'base64',
  );
  const pem = (der: Buffer) =>
    `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`;
  const off = Buffer.from(spki);
  off[off.length - 1]! ^= 1;
  const infinity = Buffer.concat([
    Buffer.from('3019301306072a8648ce3d020106082a8648ce3d030107030200', 'hex'),
    Buffer.from([0]),
  ]);
  // Of order 8 on Curve25519 (RFC 7748, section 7).
  const lowOrder = Buffer.from(
    '302a300506032b656e032100e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    'hex',
  );
  const peers = [
    pem(off),
    pem(infinity),
    pem(lowOrder),
    spkiPem(generateKeyPairSync('x25519').publicKey),
    spkiPem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
    '',
    'text',
  ];
  for (const peer_public_key of peers)
    await refused(
      harness.write('derive-key/d', { base_key_name: 'base', peer_public_key }),
      /peer_public_key must be PEM/,
    );
  const peer_public_key = pem(spki);
  await refused(
    harness.write('derive-key/d', { base_key_name: 'ed', peer_public_key }),
    /must be of type ecdsa/,
  );
  await refused(
    harness.write('derive-key/d', { base_key_name: 'none', peer_public_key }),
    'base key not found',
  );
  assert.deepEqual(await harness.list('keys'), ['base', 'ed']);
});

/** The sample of the public API documentation. */
const DOCUMENTED =
  'eyJwb2xpY3kiOnsibmFtZSI6ImFlcyIsImtleXMiOnsiMSI6eyJrZXkiOiJXK3k4Z0dOMHdiTDJLOU95NXFPN1laMGtjdzMvR0ZiNWM4STBzdlNMMnFNPSIsImhtYWNfa2V5IjoiUDBTcjh1YTJaZERNUTdPd2h4RGp1Z0U5d0JSR3Q2QXl6K0t4TzN5Z2M5ST0iLCJ0aW1lIjoiMjAxNy0xMi0wOFQxMTo1MDowOC42MTM4MzctMDU6MDAiLCJlY194IjpudWxsLCJlY195IjpudWxsLCJlY19kIjpudWxsLCJyc2Ffa2V5IjpudWxsLCJwdWJsaWNfa2V5IjoiIiwiY3JlYXRpb25fdGltZSI6MTUxMjc1MTgwOH19LCJkZXJpdmVkIjpmYWxzZSwia2RmIjowLCJjb252ZXJnZW50X2VuY3J5cHRpb24iOmZhbHNlLCJleHBvcnRhYmxlIjpmYWxzZSwibWluX2RlY3J5cHRpb25fdmVyc2lvbiI6MSwibWluX2VuY3J5cHRpb25fdmVyc2lvbiI6MCwibGF0ZXN0X3ZlcnNpb24iOjEsImFyY2hpdmVfdmVyc2lvbiI6MSwiZGVsZXRpb25fYWxsb3dlZCI6ZmFsc2UsImNvbnZlcmdlbnRfdmVyc2lvbiI6MCwidHlwZSI6MCwiYmFja3VwX2luZm8iOnsidGltZSI6IjIwMTctMTItMDhUMTE6NTA6MjkuMjI4MTU3LTA1OjAwIiwidmVyc2lvbiI6MX0sInJlc3RvcmVfaW5mbyI6bnVsbH0sImFyY2hpdmVkX2tleXMiOnsia2V5cyI6W3sia2V5IjpudWxsLCJobWFjX2tleSI6bnVsbCwidGltZSI6IjAwMDEtMDEtMDFUMDA6MDA6MDBaIiwiZWNfeCI6bnVsbCwiZWNfeSI6bnVsbCwiZWNfZCI6bnVsbCwicnNhX2tleSI6bnVsbCwicHVibGljX2tleSI6IiIsImNyZWF0aW9uX3RpbWUiOjB9LHsia2V5IjoiVyt5OGdHTjB3YkwySzlPeTVxTzdZWjBrY3czL0dGYjVjOEkwc3ZTTDJxTT0iLCJobWFjX2tleSI6IlAwU3I4dWEyWmRETVE3T3doeERqdWdFOXdCUkd0NkF5eitLeE8zeWdjOUk9IiwidGltZSI6IjIwMTctMTItMDhUMTE6NTA6MDguNjEzODM3LTA1OjAwIiwiZWNfeCI6bnVsbCwiZWNfeSI6bnVsbCwiZWNfZCI6bnVsbCwicnNhX2tleSI6bnVsbCwicHVibGljX2tleSI6IiIsImNyZWF0aW9uX3RpbWUiOjE1MTI3NTE4MDh9XX19Cg==';
