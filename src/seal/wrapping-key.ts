import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { zero } from '../crypto/zero.ts';
import { type Seal, UnwrapFailed, type WrappedKey } from './seal.ts';

/** Bytes of the root key and of every key that wraps it (AES-256). */
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A seal's key in memory, with the name it is known by. */
export interface WrappingKey {
  readonly id: string;
  readonly key: Buffer;
}

/**
 * A seal over AES-256-GCM keys held in memory: the first wraps, all unwrap. The type, the seal's name and the key's id
 * are bound to the ciphertext, so that a record moved between seals does not unwrap. Takes over the keys: `close` zeroes them.
 */
export function localSeal(options: {
  type: string;
  name: string;
  keys: readonly [WrappingKey, ...WrappingKey[]];
  random: Random;
}): Seal {
  const { type, name, keys, random } = options;
  const [current] = keys;
  return {
    type,
    name,
    keyId: current.id,
    async wrap(rootKey) {
      const identity = { seal: name, type, key_id: current.id };
      return { ...identity, ciphertext: encrypt(current.key, rootKey, identityBytes(identity), random) };
    },
    async unwrap(wrapped) {
      const fitting = keys.find(({ id }) => id === wrapped.key_id);
      if (!fitting)
        throw new UnwrapFailed(`no key with the id ${JSON.stringify(wrapped.key_id)} is configured`);
      return decrypt(fitting.key, wrapped.ciphertext, identityBytes(wrapped));
    },
    close: () => zero(...keys.map(({ key }) => key)),
  };
}

function identityBytes({ seal, type, key_id }: Omit<WrappedKey, 'ciphertext'>): Buffer {
  return Buffer.from(JSON.stringify(['coffer root key', type, seal, key_id]));
}

function encrypt(key: Buffer, plaintext: Buffer, aad: Buffer, random: Random): string {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString(
    'base64',
  );
}

function decrypt(key: Buffer, ciphertext: string, aad: Buffer): Buffer {
  const sealed = Buffer.from(ciphertext, 'base64');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new UnwrapFailed('the key does not fit');
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw new UnwrapFailed('the key does not fit');
  }
  return plaintext;
}
