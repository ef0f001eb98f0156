import assert from 'node:assert/strict';
import { createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import type { UnknownRecord } from '../../base/json.ts';
import { type Harness, openEngine } from '../../engine/testing.ts';
import { transit } from './engine.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function encrypted(harness: Harness, name: string, data: UnknownRecord): Promise<string> {
  return String((await harness.write(`encrypt/${name}`, data))?.data?.ciphertext);
}
async function decrypted(harness: Harness, name: string, data: UnknownRecord): Promise<string> {
  const { plaintext } = (await harness.write(`decrypt/${name}`, data))?.data ?? {};
  return Buffer.from(String(plaintext), 'base64').toString();
}

for (const type of [
  'aes128-gcm96',
  'aes256-gcm96',
  'chacha20-poly1305',
  'xchacha20-poly1305',
  'rsa-2048',
  'ml-kem',
]) {
  test(`${type} encrypts, decrypts and rewraps`, async () => {
    const harness = openEngine(transit);
    await harness.write('keys/k', { type, ...(type === 'ml-kem' ? { parameter_set: '768' } : {}) });
    for (const text of ['', 'x', 'the quick brown fox']) {
      const ciphertext = await encrypted(harness, 'k', { plaintext: base64(text) });
      assert.match(ciphertext, /^vault:v1:[A-Za-z0-9+/]+=*$/);
      assert.equal(await decrypted(harness, 'k', { ciphertext }), text);
      const again = await harness.write('rewrap/k', { ciphertext });
      assert.equal(await decrypted(harness, 'k', { ciphertext: again?.data?.ciphertext }), text);
      assert.notEqual(again?.data?.ciphertext, ciphertext);
      const bytes = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64');
      bytes[bytes.length - 1]! ^= 1;
      const text2 = type.startsWith('rsa')
        ? 'crypto/rsa: decryption error'
        : 'cipher: message authentication failed';
      await assert.rejects(decrypted(harness, 'k', { ciphertext: `vault:v1:${bytes.toString('base64')}` }), {
        code: 'invalid_request',
        message: text2,
      });
    }
  });
}

test('the layout: nonce, ciphertext, tag; keys of contexts by HKDF; convergent nonces by HMAC', async () => {
  const harness = openEngine(transit);
  const context = base64('user 1');
  await harness.write('keys/plain', { exportable: true });
  await harness.write('keys/derived', { exportable: true, derived: true, convergent_encryption: true });
  for (const name of ['plain', 'derived']) {
    const { keys } = (await harness.read(`export/encryption-key/${name}`))?.data ?? {};
    const exported = Buffer.from(String((keys as UnknownRecord)['1']), 'base64');
    const data = { plaintext: base64('text'), context, associated_data: base64('row') };
    const ciphertext = await encrypted(harness, name, data);
    const bytes = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64');
    const derived = Buffer.from(hkdfSync('sha256', exported, '', 'user 1', 64));
    const nonce = bytes.subarray(0, 12);
    const decipher = createDecipheriv(
      'aes-256-gcm',
      name === 'plain' ? exported : derived.subarray(0, 32),
      nonce,
    );
    decipher.setAAD(Buffer.from('row'));
    decipher.setAuthTag(bytes.subarray(-16));
    const opened = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    assert.equal(opened.toString(), 'text');
    const convergent = createHmac('sha256', derived.subarray(32)).update('text').digest().subarray(0, 12);
    assert.equal(nonce.equals(convergent), name === 'derived');
  }
});

test('what is no ciphertext of this key is refused', async () => {
  const harness = openEngine(transit);
  await harness.write('keys/k', {});
  await harness.write('keys/other', {});
  await harness.write('keys/rsa', { type: 'rsa-2048' });
  await harness.write('keys/mac', { type: 'aes256-cmac' });
  const ciphertext = await encrypted(harness, 'k', { plaintext: base64('text') });
  const refused = (name: string, data: UnknownRecord, message: RegExp) =>
    assert.rejects(harness.write(`decrypt/${name}`, data), { code: 'invalid_request', message });
  const body = ciphertext.slice('vault:v1:'.length);
  await refused('k', {}, /missing ciphertext/);
  await refused('k', { ciphertext: body }, /^invalid ciphertext: no prefix$/);
  await refused('k', { ciphertext: 'vault:v1' }, /wrong number of fields/);
  for (const version of ['0', '01', '-1', '+1', '1.0', '1e0', '', ' 1', '99999999999'])
    await refused('k', { ciphertext: `vault:v${version}:${body}` }, /version number could not be decoded/);
  await refused('k', { ciphertext: `vault:v2:${body}` }, /version is too new/);
  await refused('k', { ciphertext: 'vault:v1:*' }, /could not decode base64/);
  for (const bad of ['', 'AAAA', body.slice(4)])
    await refused('k', { ciphertext: `vault:v1:${bad}` }, /^cipher: message authentication failed$/);
  await refused('other', { ciphertext }, /^cipher: message authentication failed$/);
  await refused('k', { ciphertext, associated_data: base64('x') }, /^cipher: message authentication failed$/);
  await refused('rsa', { ciphertext }, /^crypto\/rsa: decryption error$/);
  await refused('rsa', { ciphertext, associated_data: base64('x') }, /not supported by this type/);
  await refused('mac', { ciphertext }, /not supported for key type aes256-cmac/);
  await refused('none', { ciphertext }, /^encryption key not found$/);
  const encrypt = (data: UnknownRecord) => harness.write('encrypt/k', { plaintext: base64('text'), ...data });
  await assert.rejects(encrypt({ nonce: base64('twelve bytes') }), /provided nonce not allowed/);
  await assert.rejects(harness.write('encrypt/rsa', { plaintext: base64('x'.repeat(191)) }), /too long/);
  await assert.rejects(harness.write('encrypt/mac', { plaintext: '' }), /not supported for key type/);
});
