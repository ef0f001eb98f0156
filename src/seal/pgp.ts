import type { PublicKey } from 'openpgp';
import { InvalidRequest } from '../base/errors.ts';
import { turn } from '../base/turn.ts';

/** Characters. Who sends keys has perhaps no token, and reading one takes time. */
const KEY_LENGTH_MAX = 128 * 1024;

export interface PgpEncrypted {
  /** Base64 of the binary PGP message, in the order of the keys. */
  readonly messages: string[];
  /** Hex fingerprints of the primary keys, in the same order. */
  readonly fingerprints: string[];
}

/**
 * Encrypts each share to the PGP key at its place, as its hex text, which is what `gpg -d` then shows the holder.
 * Keys are base64 of the binary form, or armored. Throws `InvalidRequest` naming the key that does not serve.
 */
export async function encryptShares(
  shares: readonly Buffer[],
  pgpKeys: readonly string[],
): Promise<PgpEncrypted> {
  if (shares.length !== pgpKeys.length) {
    throw new InvalidRequest('count mismatch between number of provided PGP keys and number of shares');
  }
  return encryptTexts(
    shares.map((share) => share.toString('hex')),
    pgpKeys,
  );
}

/** Encrypts a text (the root token) to one PGP key; base64 of the binary message. */
export async function encryptToPgpKey(
  text: string,
  pgpKey: string,
): Promise<{ message: string; fingerprint: string }> {
  const { messages, fingerprints } = await encryptTexts([text], [pgpKey]);
  return { message: messages[0]!, fingerprint: fingerprints[0]! };
}

/** The fingerprints of the keys, for a ceremony that encrypts later. Throws `InvalidRequest` for a bad key. */
export async function pgpFingerprints(pgpKeys: readonly string[]): Promise<string[]> {
  const keys = await Promise.all(pgpKeys.map(readPublicKey));
  return keys.map((key) => key.getFingerprint());
}

async function encryptTexts(texts: readonly string[], pgpKeys: readonly string[]): Promise<PgpEncrypted> {
  const messages: string[] = [];
  const fingerprints: string[] = [];
  // One after another, with others' turns between: each costs milliseconds, and there may be 255.
  for (const [index, pgpKey] of pgpKeys.entries()) {
    const key = await readPublicKey(pgpKey, index);
    await turn();
    messages.push(await encrypt(texts[index]!, key, index));
    fingerprints.push(key.getFingerprint());
    await turn();
  }
  return { messages, fingerprints };
}

async function encrypt(text: string, key: PublicKey, index: number): Promise<string> {
  const { createMessage, encrypt: encryptMessage } = await import('openpgp');
  // Bytes, not text: holders compare and pipe the plaintext, so that no line ending may be changed.
  const message = await createMessage({ binary: Buffer.from(text) });
  try {
    const sealed = await encryptMessage({ message, encryptionKeys: key, format: 'binary' });
    return Buffer.from(sealed).toString('base64');
  } catch (error) {
    throw new InvalidRequest(`PGP key ${index + 1} cannot be encrypted to: ${reasonOf(error)}`);
  }
}

async function readPublicKey(text: string, index: number): Promise<PublicKey> {
  const { readKey } = await import('openpgp');
  const trimmed = text.trim();
  if (trimmed.length > KEY_LENGTH_MAX)
    throw new InvalidRequest(`PGP key ${index + 1} is too long: export it without its certifications`);
  try {
    const key = trimmed.startsWith('-----BEGIN PGP')
      ? await readKey({ armoredKey: trimmed })
      : await readKey({ binaryKey: Buffer.from(trimmed, 'base64') });
    return key.toPublic();
  } catch (error) {
    throw new InvalidRequest(`PGP key ${index + 1} cannot be read: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : 'unknown reason';
}
