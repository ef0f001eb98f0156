import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import { type HmacSha256, hmacSha256 } from '../../crypto/hmac.ts';
import { zero } from '../../crypto/zero.ts';
import type { KeyType } from './key-types.ts';
import type { VersionRecord } from './records.ts';

/** One version of a key, its material made ready when first used. */
export class KeyVersion {
  readonly number: number;
  readonly type: KeyType;
  readonly record: VersionRecord;
  #secret: KeyObject | undefined;
  #private: KeyObject | undefined;
  #public: KeyObject | undefined;
  #hmac: KeyObject | undefined;
  #shortHmac: HmacSha256 | undefined;

  constructor(number: number, type: KeyType, record: VersionRecord) {
    this.number = number;
    this.type = type;
    this.record = record;
  }

  get hasPrivateKey(): boolean {
    return this.record.key !== '';
  }

  /** Of a symmetric type. */
  get secretKey(): KeyObject {
    this.#secret ??= secretKeyOf(this.record.key);
    return this.#secret;
  }

  /** Of a key pair. Throws `InvalidRequest` where only the public key was imported. */
  get privateKey(): KeyObject {
    if (!this.hasPrivateKey) throw new InvalidRequest(`version ${this.number} of the key has no private key`);
    this.#private ??= withBytes(this.record.key, (key) =>
      createPrivateKey({ key, format: 'der', type: 'pkcs8' }),
    );
    return this.#private;
  }

  get publicKey(): KeyObject {
    this.#public ??= createPublicKey({
      key: Buffer.from(this.record.publicKey, 'base64'),
      format: 'der',
      type: 'spki',
    });
    return this.#public;
  }

  /** What the HMACs of every type are made with. */
  get hmacKey(): KeyObject {
    this.#hmac ??= secretKeyOf(this.record.hmacKey);
    return this.#hmac;
  }

  /** The same key for HMAC-SHA256 of short messages. */
  get hmacSha256(): HmacSha256 {
    this.#shortHmac ??= withBytes(this.record.hmacKey, hmacSha256);
    return this.#shortHmac;
  }
}

function secretKeyOf(base64: string): KeyObject {
  return withBytes(base64, createSecretKey);
}

/** Works with the bytes of stored base64 and overwrites them. */
export function withBytes<T>(base64: string, work: (bytes: Buffer) => T): T {
  const bytes = Buffer.from(base64, 'base64');
  try {
    return work(bytes);
  } finally {
    zero(bytes);
  }
}
