import { createHmac } from 'node:crypto';

/** One-time passwords of RFC 4226 and RFC 6238. */
export interface TotpParameters {
  readonly algorithm: TotpAlgorithm;
  readonly digits: number;
  /** Seconds. */
  readonly period: number;
}
export type TotpAlgorithm = 'SHA1' | 'SHA256' | 'SHA512';
export const TOTP_ALGORITHMS: readonly TotpAlgorithm[] = ['SHA1', 'SHA256', 'SHA512'];

/** Which period it is. */
export function totpCounter({ period }: Pick<TotpParameters, 'period'>, nowMs: number): number {
  return Math.floor(nowMs / 1000 / period);
}

/** The code of one period (RFC 4226, section 5.3). */
export function totpCode(
  key: Uint8Array,
  counter: number,
  { algorithm, digits }: Pick<TotpParameters, 'algorithm' | 'digits'>,
): string {
  const moving = Buffer.alloc(8);
  moving.writeBigUInt64BE(BigInt(counter));
  const digest = createHmac(algorithm, key).update(moving).digest();
  const offset = digest[digest.length - 1]! & 0x0f;
  const truncated = digest.readUInt32BE(offset) & 0x7fffffff;
  return String(truncated % 10 ** digits).padStart(digits, '0');
}

/** What authenticator programs take: `otpauth://totp/issuer:account?…`. */
export function otpauthUrl(
  { algorithm, digits, period }: TotpParameters,
  { issuer, account, secret }: { issuer: string; account: string; secret: string },
): string {
  const label = [issuer, account].filter(Boolean).map(encodeURIComponent).join(':');
  const query = [
    `algorithm=${algorithm}`,
    `digits=${digits}`,
    ...(issuer === '' ? [] : [`issuer=${encodeURIComponent(issuer)}`]),
    `period=${period}`,
    `secret=${secret}`,
  ];
  return `otpauth://totp/${label}?${query.join('&')}`;
}
