import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { type Seal, SealUnavailable, UnwrapFailed, type WrappedKey } from './seal.ts';
import { decryptKey, encryptKey, identityBytes, KEY_BYTES } from './wrapping-key.ts';

/** What only the service can make readable again, and which of its keys did it. */
export interface ServiceCiphertext {
  readonly keyId: string;
  readonly ciphertext: Buffer;
}

/**
 * Something outside that encrypts and decrypts a few bytes with a key which never leaves it. Both reject with
 * `SealUnavailable` (`Refused` where it answered), and soon once `signal` aborts.
 */
export interface KeyService {
  encrypt(plaintext: Buffer, signal: AbortSignal): Promise<ServiceCiphertext>;
  decrypt(sealed: ServiceCiphertext, signal: AbortSignal): Promise<Buffer>;
  close(): void;
}

/** The service answered, with a no. `final`: to this ciphertext it will never say anything else. */
export class Refused extends SealUnavailable {
  override readonly code = 'seal_refused';
  readonly status: number;
  readonly final: boolean;

  constructor(message: string, { status, final }: { status: number; final: boolean }) {
    super(message);
    this.status = status;
    this.final = final;
  }
}

export interface ServiceSealOptions {
  readonly type: string;
  readonly name: string;
  readonly service: KeyService;
  readonly random: Random;
  readonly clock: Clock;
  /** How long one call may take. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 15_000;
const LENGTH_BYTES = 4;

/**
 * A seal over a key service. What goes there is a fresh key; under that, the root key is encrypted here. So the root key
 * is never shown to the service or its logs, and who can use the service's key has nothing without the records.
 */
export function serviceSeal(options: ServiceSealOptions): Seal {
  const { type, name, service, random, clock, timeoutMs = TIMEOUT_MS } = options;
  let keyId: string | undefined;
  return {
    type,
    name,
    get keyId() {
      return keyId;
    },
    async wrap(rootKey) {
      const key = random.bytes(KEY_BYTES);
      try {
        const made = await withinTime(clock, timeoutMs, (signal) => service.encrypt(key, signal));
        keyId = made.keyId;
        const identity = { seal: name, type, key_id: made.keyId };
        const sealed = encryptKey({ key, plaintext: rootKey, aad: identityBytes(identity), random });
        return { ...identity, ciphertext: join(made.ciphertext, sealed).toString('base64') };
      } finally {
        key.fill(0);
      }
    },
    async unwrap(wrapped) {
      const { ciphertext, sealed } = split(wrapped);
      const kept = { keyId: wrapped.key_id, ciphertext };
      const key = await withinTime(clock, timeoutMs, (signal) => service.decrypt(kept, signal)).catch(
        (error: unknown) => {
          throw error instanceof Refused && error.final ? new UnwrapFailed(error.message) : error;
        },
      );
      try {
        return decryptKey({ key, sealed, aad: identityBytes(wrapped) });
      } finally {
        key.fill(0);
      }
    },
    close: () => service.close(),
  };
}

/** Gives up after `ms`, whether or not `work` minds its signal. Rejects with `SealUnavailable`. */
export async function withinTime<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(ms, () => {
    late.reject(new SealUnavailable(`no answer within ${ms / 1000}s`));
    controller.abort();
  });
  try {
    return await Promise.race([work(controller.signal), late.promise]);
  } finally {
    cancel();
  }
}

/** Length of the first, the first, the second. */
function join(ciphertext: Buffer, sealed: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(ciphertext.length);
  return Buffer.concat([length, ciphertext, sealed]);
}

function split(wrapped: WrappedKey): { ciphertext: Buffer; sealed: Buffer } {
  const bytes = Buffer.from(wrapped.ciphertext, 'base64');
  const end = bytes.length < LENGTH_BYTES ? Number.NaN : LENGTH_BYTES + bytes.readUInt32BE();
  if (!(end < bytes.length)) throw new UnwrapFailed('the record is damaged');
  return { ciphertext: bytes.subarray(LENGTH_BYTES, end), sealed: bytes.subarray(end) };
}
