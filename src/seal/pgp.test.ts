import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decrypt, generateKey, readMessage, readPrivateKey } from 'openpgp';
import { systemRandom } from '../base/random.ts';
import { encryptShares, encryptToPgpKey, pgpFingerprints } from './pgp.ts';

const shares = [systemRandom.bytes(33), systemRandom.bytes(33)];
const ada = await generateKey({ userIDs: [{ name: 'Ada' }], format: 'armored' });
const bob = await generateKey({ userIDs: [{ name: 'Bob' }], format: 'binary' });
const pgpKeys = [ada.publicKey, Buffer.from(bob.publicKey).toString('base64')];

test('each share is encrypted to its own key, armored or base64', async () => {
  const { messages, fingerprints } = await encryptShares(shares, pgpKeys);
  assert.deepEqual(fingerprints, await pgpFingerprints(pgpKeys));
  assert.equal(await openWith(ada.privateKey, messages[0]!), shares[0]!.toString('hex'));
  await assert.rejects(openWith(ada.privateKey, messages[1]!));
});

test('a token is encrypted as its text', async () => {
  const { message, fingerprint } = await encryptToPgpKey('hvs.root', ada.publicKey);
  assert.equal(await openWith(ada.privateKey, message), 'hvs.root');
  assert.match(fingerprint, /^[0-9a-f]{40}$/);
});

test('bad keys and counts are refused by number', async () => {
  await assert.rejects(encryptShares(shares, [ada.publicKey]), /count mismatch/);
  await assert.rejects(encryptShares(shares, [ada.publicKey, 'bm90IGEga2V5']), {
    code: 'invalid_request',
    message: /^PGP key 2 cannot be read/,
  });
});

const hasGpg = spawnSync('gpg', ['--version']).status === 0;

test('GnuPG decrypts what was encrypted to its key', {
  skip: hasGpg ? false : 'gpg is not installed',
}, async () => {
  const exported = execFileSync('gpg', ['--export', 'carol@example.com'], { env });
  const { messages } = await encryptShares([shares[0]!], [exported.toString('base64')]);
  const plaintext = execFileSync('gpg', ['--batch', '-dq'], {
    env,
    input: Buffer.from(messages[0]!, 'base64'),
  });
  assert.equal(plaintext.toString(), shares[0]!.toString('hex'));
});

const CAROL = `%no-protection
Key-Type: eddsa
Key-Curve: ed25519
Subkey-Type: ecdh
Subkey-Curve: cv25519
Name-Email: carol@example.com
Expire-Date: 0
`;
const home = hasGpg ? mkdtempSync(join(tmpdir(), 'coffer-gpg-')) : '';
const env = { ...process.env, GNUPGHOME: home };
before(() => {
  if (!hasGpg) return;
  execFileSync('gpg', ['--batch', '--gen-key'], { env, input: CAROL, stdio: ['pipe', 'ignore', 'ignore'] });
});
after(() => {
  if (!hasGpg) return;
  spawnSync('gpgconf', ['--kill', 'gpg-agent'], { env });
  rmSync(home, { recursive: true, force: true });
});

async function openWith(armoredKey: string, message: string): Promise<string> {
  const { data } = await decrypt({
    message: await readMessage({ binaryMessage: Buffer.from(message, 'base64') }),
    decryptionKeys: await readPrivateKey({ armoredKey }),
  });
  return data;
}
