import { combine, split } from 'shamir-secret-sharing';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { zero } from '../crypto/zero.ts';
import { KEY_BYTES } from './wrapping-key.ts';

/** GF(2^8) has 255 points besides zero, which is where the secret lies. */
export const SHARES_MAX = 255;
/** A share is one byte of output per byte of key, then its x coordinate. A 1-of-1 share is the key itself. */
const SHARE_BYTES = KEY_BYTES + 1;

/** Throws `InvalidRequest` unless a key can be split this way; texts as the API's clients know them. */
export function checkShareCounts({ shares, threshold }: { shares: number; threshold: number }): void {
  if (!Number.isInteger(shares) || shares < 1) throw new InvalidRequest('shares must be at least one');
  if (!Number.isInteger(threshold) || threshold < 1)
    throw new InvalidRequest('threshold must be at least one');
  if (shares > SHARES_MAX) throw new InvalidRequest(`shares must be at most ${SHARES_MAX}`);
  if (threshold > shares) throw new InvalidRequest('threshold cannot be larger than shares');
  if (shares > 1 && threshold === 1) {
    throw new InvalidRequest('threshold must be greater than one for multiple shares');
  }
}

/**
 * Splits a 32-byte key into shares of 33 bytes (of 32 for 1-of-1: a copy of the key). Throws as `checkShareCounts`.
 * The audited library draws its own randomness from node:crypto.
 */
export async function splitKey(
  key: Buffer,
  counts: { shares: number; threshold: number },
): Promise<Buffer[]> {
  checkShareCounts(counts);
  if (counts.shares === 1) return [Buffer.from(key)];
  // The library insists on a bare Uint8Array; these are views, not copies, so that zeroing reaches the bytes.
  const parts = await split(bareView(key), counts.shares, counts.threshold);
  return parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength));
}

/** Puts a key together. Rejects with `InvalidRequest` for shares that cannot belong to one key; wrong ones give a wrong key. */
export async function combineShares(shares: readonly Buffer[]): Promise<Buffer> {
  const [only] = shares;
  if (only === undefined) throw invalidKey();
  if (shares.length === 1) {
    if (only.length !== KEY_BYTES) throw invalidKey();
    return Buffer.from(only);
  }
  const points = new Set(shares.map((share) => share.at(-1)));
  if (
    points.size !== shares.length ||
    shares.some((share) => share.length !== SHARE_BYTES || share.at(-1) === 0)
  ) {
    throw invalidKey();
  }
  const key = await combine(shares.map(bareView));
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
}

/** Reads a share or key from hex or base64 (padded or not). Throws `InvalidRequest`. */
export function decodeShare(text: string): Buffer {
  const trimmed = text.trim();
  const share = /^([0-9a-f]{2})+$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[0-9a-z+/]+={0,2}$/i.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : undefined;
  if (!share) throw new InvalidRequest("'key' must be a valid hex or base64 string");
  if (share.length < KEY_BYTES) throw new InvalidRequest(`key is shorter than minimum ${KEY_BYTES} bytes`);
  if (share.length > SHARE_BYTES) throw new InvalidRequest(`key is longer than maximum ${SHARE_BYTES} bytes`);
  return share;
}

/** What was said to a wrong key since Vault 1.13; clients show it as it is. */
export function invalidKey(): InvalidRequest {
  return new InvalidRequest('Unseal failed, invalid key');
}

/** Collects shares of one ceremony (unseal, rekey, generate-root) until there are enough. */
export interface ShareCollector {
  /** How many may be enough; rising. Where there are several, the first that gives the right key counts. */
  readonly thresholds: readonly number[];
  /** How many different shares are there. */
  readonly progress: number;
  /** A uuid while shares are being collected; '' before the first. */
  readonly nonce: string;
  /**
   * Adds a share (hex or base64); one that is there already counts once. With as many as a threshold it resolves to the
   * key, which the caller proves by unwrapping, and zeroes; at the last threshold it starts over. Rejects with
   * `InvalidRequest`.
   */
  submit(share: string): Promise<Buffer | undefined>;
  /** Forgets the shares. */
  reset(): void;
}

export function collectShares({
  thresholds,
  random,
}: {
  thresholds: readonly number[];
  random: Random;
}): ShareCollector {
  const last = Math.max(...thresholds);
  let shares: Buffer[] = [];
  let nonce = '';
  const reset = (): void => {
    zero(...shares);
    shares = [];
    nonce = '';
  };
  return {
    thresholds,
    get progress() {
      return shares.length;
    },
    get nonce() {
      return nonce;
    },
    async submit(text) {
      const share = decodeShare(text);
      if (shares.some((known) => equalSecrets(known, share))) {
        share.fill(0);
        return undefined;
      }
      if (shares.length === 0) nonce = random.uuid();
      shares.push(share);
      if (!thresholds.includes(shares.length)) return undefined;
      const given = shares.map((each) => Buffer.from(each));
      const isLast = shares.length === last;
      if (isLast) reset();
      try {
        return await combineShares(given);
      } catch (error) {
        if (isLast) throw error;
        return undefined;
      } finally {
        zero(...given);
      }
    },
    reset,
  };
}

function bareView(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}
