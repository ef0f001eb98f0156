import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { engineConformance } from '../../engine/conformance.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { openEngine } from '../../engine/testing.ts';
import { transit } from './engine.ts';

const plaintext = 'dGhlIHF1aWNrIGJyb3duIGZveA==';

engineConformance('transit', {
  type: transit,
  samples: [
    { path: 'keys/app', data: { exportable: true } },
    { path: 'keys/other', data: { type: 'chacha20-poly1305', derived: true, convergent_encryption: true } },
    { path: 'keys/signer', data: { type: 'ed25519' } },
    { path: 'keys/mac', data: { type: 'aes256-cmac' } },
    { path: 'keys/pair', data: { type: 'ecdsa-p256', exportable: true, auto_rotate_period: '24h' } },
    { path: 'keys/app/config', data: { allow_plaintext_backup: true } },
    { path: 'keys/app/rotate' },
    { path: 'encrypt/app', data: { plaintext } },
    { path: 'encrypt/app', data: { batch_input: [{ plaintext, reference: 'a' }, { plaintext }] } },
    { path: 'datakey/plaintext/app', data: { bits: 128 } },
    { path: 'hmac/app', data: { input: plaintext } },
    { path: 'hmac/app/sha2-512', data: { input: plaintext } },
    { path: 'cmac/mac', data: { input: plaintext } },
    { path: 'cmac/mac/8', data: { input: plaintext } },
    { path: 'sign/signer', data: { input: plaintext } },
    { path: 'sign/pair/sha2-512', data: { input: plaintext, marshaling_algorithm: 'jws' } },
    { path: 'keys/pair/csr', data: { version: '1' } },
    { path: 'config/keys', data: { disable_upsert: true } },
    { path: 'cache-config', data: { size: 100 } },
    { path: 'random/platform/16', data: { format: 'hex' } },
    { path: 'hash/sha3-256', data: { input: plaintext } },
  ],
  // Each read makes another.
  unstable: ['byok-export/{destination}/{source}', 'byok-export/{destination}/{source}/{version}'],
});

test('every public operation is there with its fields', () => {
  const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8').replaceAll(
    '{urlbytes}',
    '8',
  );
  const { paths } = openEngine(transit).engine;
  assert.deepEqual(missingOperations(paths, { table, mountPath: 'transit/' }), []);
});
