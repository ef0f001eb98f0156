import assert from 'node:assert/strict';
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
