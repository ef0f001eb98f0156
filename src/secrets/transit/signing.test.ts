import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import { systemRandom } from '../../base/random.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { transit } from './engine.ts';

const input = Buffer.from('what is signed').toString('base64');
const other = Buffer.from('what is not').toString('base64');

async function opened(type: string, more: UnknownRecord = {}): Promise<Harness> {
  const harness = openEngine(transit, { random: systemRandom });
  await harness.write('keys/k', { type, ...more });
  return harness;
}
async function result(harness: Harness, path: string, data: UnknownRecord): Promise<UnknownRecord> {
  return (await harness.write(path, data))?.data ?? {};
}

const TYPES: [type: string, more: UnknownRecord, options: UnknownRecord[]][] = [
  ['ed25519', {}, [{}, { marshaling_algorithm: 'jws' }, { signature_context: input }]],
  ...['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'].map((type): [string, UnknownRecord, UnknownRecord[]] => [
    type,
    {},
    [{}, { marshaling_algorithm: 'jws' }, { hash_algorithm: 'sha3-384' }, { hash_algorithm: 'sha1' }],
  ]),
  [
    'rsa-2048',
    {},
    [
      {},
      { signature_algorithm: 'pkcs1v15' },
      { salt_length: 'hash', hash_algorithm: 'sha2-512' },
      { salt_length: '11' },
      { salt_length: '0' },
    ],
  ],
  ['ml-dsa', { parameter_set: '44' }, [{}, { signature_context: input }]],
  ['slh-dsa', { parameter_set: 'slh-dsa-sha2-128f' }, [{}]],
];

for (const [type, more, variants] of TYPES) {
  test(`${type} signs and verifies, alone and in batches`, async () => {
    const harness = await opened(type, more);
    for (const options of variants) {
      const { signature } = await result(harness, 'sign/k', { input, ...options });
      assert.match(
        String(signature),
        options.marshaling_algorithm ? /^vault:v1:[\w-]+$/ : /^vault:v1:[\w+/]+=*$/,
      );
      const check = (data: UnknownRecord) =>
        result(harness, 'verify/k', { input, signature, ...options, ...data });
      assert.deepEqual(await check({}), { valid: true }, JSON.stringify(options));
      assert.deepEqual(await check({ input: other }), { valid: false });
      const batch = [{ input, reference: 'a' }, {}, { input: other }, { input: '*' }];
      const signed = await harness.write('sign/k', { batch_input: batch, ...options });
      assert.equal(signed?.status, 400);
      const results = signed?.data?.batch_results as UnknownRecord[];
      assert.equal(results[0]?.reference, 'a');
      assert.deepEqual(results[1], { error: 'missing input' });
      assert.deepEqual(results[3], { error: 'failed to base64-decode input' });
      const verified = await result(harness, 'verify/k', {
        batch_input: [
          { input, signature: results[0]?.signature },
          { input, signature: results[2]?.signature },
          { input: other, signature: results[2]?.signature },
        ],
        ...options,
      });
      assert.deepEqual(verified.batch_results, [{ valid: true }, { valid: false }, { valid: true }]);
    }
  });
}

test('what is hashed elsewhere is signed as if it were hashed here', async () => {
  const variants: [type: string, options: UnknownRecord][] = [
    ['ecdsa-p256', {}],
    ['ecdsa-p384', { marshaling_algorithm: 'jws' }],
    ['ecdsa-p521', { hash_algorithm: 'sha2-512' }],
    ['rsa-2048', {}],
    ['rsa-2048', { salt_length: 'hash' }],
    ['rsa-2048', { signature_algorithm: 'pkcs1v15' }],
  ];
  for (const [type, options] of variants) {
    const harness = await opened(type);
    const digest = options.hash_algorithm ? 'sha512' : 'sha256';
    const hash = createHash(digest).update(Buffer.from(input, 'base64')).digest('base64');
    const prehashed = { input: hash, prehashed: true, ...options };
    const fromHash = await result(harness, 'sign/k', prehashed);
    const fromMessage = await result(harness, 'sign/k', { input, ...options });
    for (const { signature } of [fromHash, fromMessage]) {
      assert.deepEqual(await result(harness, 'verify/k', { input, signature, ...options }), { valid: true });
      assert.deepEqual(await result(harness, 'verify/k', { ...prehashed, signature }), { valid: true });
    }
    await assert.rejects(harness.write('sign/k', { ...prehashed, input }), { code: 'invalid_request' });
  }
  const rsa = await opened('rsa-2048');
  const bare = { hash_algorithm: 'none', prehashed: true, signature_algorithm: 'pkcs1v15' };
  const { signature } = await result(rsa, 'sign/k', { input, ...bare });
  assert.deepEqual(await result(rsa, 'verify/k', { input, signature, ...bare }), { valid: true });
  await assert.rejects(rsa.write('sign/k', { input, hash_algorithm: 'none' }), {
    message: 'hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15',
  });
});

test('a derived Ed25519 key signs by a key of its own for each context', async () => {
  const harness = await opened('ed25519', { derived: true });
  await assert.rejects(harness.write('sign/k', { input }), /missing 'context' for key derivation/);
  const context = Buffer.from('first').toString('base64');
  const { signature, publickey } = await result(harness, 'sign/k', { input, context });
  assert.deepEqual((await result(harness, 'sign/k', { input, context })).signature, signature);
  assert.deepEqual(await result(harness, 'verify/k', { input, context, signature }), { valid: true });
  const elsewhere = { input, context: other, signature };
  assert.deepEqual(await result(harness, 'verify/k', elsewhere), { valid: false });
  const shown = (await harness.read('keys/k', { context }))?.data?.keys as Record<string, UnknownRecord>;
  assert.equal(shown['1']?.public_key, publickey);
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(String(publickey), 'base64'),
  ]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const bytes = Buffer.from(String(signature).slice('vault:v1:'.length), 'base64');
  assert.ok(verify(null, Buffer.from(input, 'base64'), publicKey, bytes));
});

test('HMACs are of every hash and by every type of key, and verified', async () => {
  for (const type of ['aes256-gcm96', 'ed25519', 'hmac']) {
    const harness = await opened(type, { exportable: true });
    for (const algorithm of ['sha2-224', 'sha2-256', 'sha2-512', 'sha3-256']) {
      const { hmac } = await result(harness, `hmac/k/${algorithm}`, { input });
      assert.deepEqual(await result(harness, 'hmac/k', { input, algorithm }), { hmac });
      const check = (data: UnknownRecord) =>
        result(harness, `verify/k/${algorithm}`, { input, hmac, ...data });
      assert.deepEqual(await check({}), { valid: true });
      assert.deepEqual(await check({ input: other }), { valid: false });
      assert.deepEqual(await check({ hmac: `${String(hmac).slice(0, -4)}AAA=` }), { valid: false });
    }
    const batch = await harness.write('hmac/k', { batch_input: [{ input }, {}, { input: '' }] });
    const results = batch?.data?.batch_results as UnknownRecord[];
    assert.deepEqual(results[1], { error: 'missing input for HMAC' });
    assert.deepEqual(await result(harness, 'verify/k', { input: '', hmac: results[2]?.hmac }), {
      valid: true,
    });
  }
  const bytes = await opened('hmac', { key_size: 64 });
  const key = [...bytes.records.entries()].find(([name]) => name.startsWith('versions/'))?.[1] ?? '';
  const secret = Buffer.from(JSON.parse(key).key, 'base64');
  assert.equal(secret.length, 64);
  const expected = createHmac('sha256', secret).update(Buffer.from(input, 'base64')).digest('base64');
  assert.deepEqual(await result(bytes, 'hmac/k', { input }), { hmac: `vault:v1:${expected}` });
});

test('CMACs have the length that is asked for, and are verified', async () => {
  for (const type of ['aes128-cmac', 'aes192-cmac', 'aes256-cmac']) {
    const harness = await opened(type);
    const { cmac } = await result(harness, 'cmac/k', { input });
    assert.deepEqual(await result(harness, 'verify/k', { input, cmac }), { valid: true });
    assert.deepEqual(await result(harness, 'verify/k', { input: other, cmac }), { valid: false });
    const short = await result(harness, 'cmac/k/8', { input });
    assert.equal(Buffer.from(String(short.cmac).slice('vault:v1:'.length), 'base64').length, 8);
    assert.deepEqual(await result(harness, 'verify/k', { input, cmac: short.cmac }), { valid: false });
    assert.deepEqual(await result(harness, 'verify/k', { input, cmac: short.cmac, mac_length: 8 }), {
      valid: true,
    });
    await assert.rejects(harness.write('cmac/k', { input, mac_length: 17 }), { code: 'invalid_request' });
  }
  await assert.rejects((await opened('hmac')).write('cmac/k', { input }), { code: 'invalid_request' });
});

test('what is not to be verified so is refused', async () => {
  const harness = await opened('ed25519');
  const { signature } = await result(harness, 'sign/k', { input });
  const { hmac } = await result(harness, 'hmac/k', { input });
  const refused = (data: UnknownRecord, message: RegExp) =>
    assert.rejects(harness.write('verify/k', { input, ...data }), { code: 'invalid_request', message });
  await refused({}, /neither a 'signature' nor/);
  await refused({ signature, hmac }, /provide one of/);
  await refused(
    {
      batch_input: [
        { input, signature },
        { input, hmac },
      ],
    },
    /must all provide/,
  );
  await refused({ signature: 'AAAA' }, /no prefix/);
  await refused({ signature: 'vault:v0:AAAA' }, /version number/);
  await refused({ signature: 'vault:v2:AAAA' }, /version is too new/);
  await refused({ signature: 'vault:v1:*' }, /base64/);
  await refused({ signature, prehashed: true }, /prehashed/);
  assert.deepEqual(await result(harness, 'verify/k', { input, signature: 'vault:v1:AAAA' }), {
    valid: false,
  });
  assert.deepEqual(await result(harness, 'verify/k', { input, signature: 'vault:v1:' }), { valid: false });
  const aes = await opened('aes256-gcm96');
  await assert.rejects(aes.write('sign/k', { input }), {
    message: 'key type aes256-gcm96 does not support signing',
  });
});
