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
      const aad = identityBytes(identity);
      const sealed = encryptKey({ key: current.key, plaintext: rootKey, aad, random });
      return { ...identity, ciphertext: sealed.toString('base64') };
    },
    async unwrap(wrapped) {
      const fitting = keys.find(({ id }) => id === wrapped.key_id);
      if (!fitting)
        throw new UnwrapFailed(`no key with the id ${JSON.stringify(wrapped.key_id)} is configured`);
      const sealed = Buffer.from(wrapped.ciphertext, 'base64');
      return decryptKey({ key: fitting.key, sealed, aad: identityBytes(wrapped) });
    },
    close: () => zero(...keys.map(({ key }) => key)),
  };
}

/** What a record is bound to, so that it does not pass for another one. */
export function identityBytes({ seal, type, key_id }: Omit<WrappedKey, 'ciphertext'>): Buffer {
  return Buffer.from(JSON.stringify(['coffer root key', type, seal, key_id]));
}

/** Nonce, ciphertext, tag. */
export function encryptKey(options: { key: Buffer; plaintext: Buffer; aad: Buffer; random: Random }): Buffer {
  const { key, plaintext, aad, random } = options;
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** What `encryptKey` took. Throws `UnwrapFailed`. */
export function decryptKey(options: { key: Buffer; sealed: Buffer; aad: Buffer }): Buffer {
  const { key, sealed, aad } = options;
  if (sealed.length < NONCE_BYTES + TAG_BYTES || key.length !== KEY_BYTES) throw doesNotFit();
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw doesNotFit();
  }
  return plaintext;
}

function doesNotFit(): UnwrapFailed {
  return new UnwrapFailed('the key does not fit');
}
