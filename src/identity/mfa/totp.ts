import { fromBase32, toBase32 } from '../../base/base32.ts';
import type { Clock } from '../../base/clock.ts';
import { PermissionDenied } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import { qrPng } from '../../crypto/qr-code.ts';
import { otpauthUrl, totpCode, totpCounter } from '../../crypto/totp.ts';
import type { MfaRecords, TotpKey, TotpMethod } from './records.ts';

export interface Enrolled {
  /** A PNG in base64; '' where the method wants none. */
  readonly barcode: string;
  readonly url: string;
}

/** A new key for the entity; undefined where it has one already. `provisional`: nobody but the password vouches for who gets it. */
export function enroll(
  records: MfaRecords,
  method: TotpMethod,
  entityId: string,
  { random, provisional = false }: { random: Random; provisional?: boolean },
): Enrolled | undefined {
  const before = records.totpKey(method.id, entityId);
  if (before && !(provisional && before.provisional)) return undefined;
  const secret = toBase32(random.bytes(method.keySize));
  const unused = {
    usedCounter: -1,
    failures: before?.failures ?? 0,
    blockedUntilMs: before?.blockedUntilMs ?? 0,
  };
  records.putTotpKey(method.id, entityId, { secret, ...unused, ...(provisional && { provisional }) });
  const url = otpauthUrl(method, { issuer: method.issuer, account: entityId, secret });
  return { url, barcode: method.qrSize > 0 ? qrPng(url, method.qrSize).toString('base64') : '' };
}

/**
 * Takes a code: once, and none at all for the rest of a period after too many wrong ones. What it notes down stays
 * whatever comes of the request. Throws `PermissionDenied`.
 */
export function checkTotp(
  records: MfaRecords,
  method: TotpMethod,
  { entityId, passcode, clock }: { entityId: string; passcode: string; clock: Clock },
): void {
  const key = records.totpKey(method.id, entityId);
  if (!key) throw new PermissionDenied('MFA secret for method is not present in entity');
  const nowMs = clock.now();
  if (nowMs < key.blockedUntilMs)
    throw new PermissionDenied('maximum TOTP validation attempts exceeded; please try again later');
  const counter = passcodeCounter(method, key, passcode, nowMs);
  if (counter === undefined) {
    const failures = key.failures + 1;
    const isLast = failures >= method.attemptsMax;
    const nextPeriodMs = (totpCounter(method, nowMs) + 1 + method.skew) * method.period * 1000;
    records.putTotpKey(method.id, entityId, {
      ...key,
      failures: isLast ? 0 : failures,
      blockedUntilMs: isLast ? nextPeriodMs : 0,
    });
    throw new PermissionDenied('failed to validate TOTP passcode');
  }
  const { provisional: _, ...confirmed } = key;
  records.putTotpKey(method.id, entityId, {
    ...confirmed,
    usedCounter: counter,
    failures: 0,
    blockedUntilMs: 0,
  });
}

/** The period whose code it is, if no code of it or a later one was taken. */
function passcodeCounter(
  method: TotpMethod,
  key: TotpKey,
  passcode: string,
  nowMs: number,
): number | undefined {
  const bytes = fromBase32(key.secret);
  if (!bytes || passcode.length !== method.digits) return undefined;
  const now = totpCounter(method, nowMs);
  let found: number | undefined;
  for (let counter = now - method.skew; counter <= now + method.skew; counter++) {
    const matches = equalSecrets(totpCode(bytes, counter, method), passcode);
    if (matches && counter > key.usedCounter) found = counter;
  }
  return found;
}
