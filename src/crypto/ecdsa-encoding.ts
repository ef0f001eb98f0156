import { derSequence, integer, sequence, TAG } from './der.ts';

/** ASN.1 of an ECDSA signature (RFC 3279, section 2.2.3) from r || s. */
export function derFromRaw(raw: Uint8Array): Buffer {
  const half = raw.length / 2;
  return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

/** r || s, each of `bytes`, from ASN.1; undefined when it is not in its one form. */
export function rawFromDer(der: Buffer, bytes: number): Buffer | undefined {
  const numbers = derSequence(der);
  if (numbers?.length !== 2) return undefined;
  const raw = Buffer.alloc(bytes * 2);
  for (const [at, { tag, content, whole }] of numbers.entries()) {
    const significant = content[0] === 0 ? content.subarray(1) : content;
    if (tag !== TAG.integer || significant.length > bytes || !integer(content).equals(whole))
      return undefined;
    raw.set(significant, (at + 1) * bytes - significant.length);
  }
  return raw;
}
