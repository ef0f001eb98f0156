import { hash, type ParsedHashOptions, parseOptions, verify } from '@node-rs/bcrypt';
import { InvalidRequest, QuotaExceeded } from '../base/errors.ts';

/** bcrypt's work factor for new hashes, as the userpass method has always used it. */
export const PASSWORD_HASH_COST = 10;
/** A hash from outside may not cost more: 2^16 rounds take seconds of a thread for each login. */
export const PASSWORD_HASH_COST_MAX = 16;
/** bcrypt ignores what follows; a longer password is refused rather than cut without a word. */
export const PASSWORD_BYTES_MAX = 72;

/** Hashing runs in Node's thread pool (four threads), which the store's writer needs too: two are left to it. */
const RUNNING_MAX = 2;
const WAITING_MAX = 1024;

let running = 0;
const waiting: (() => void)[] = [];

/** A bcrypt hash (`$2a$10$…`). Throws `InvalidRequest` when the password is over 72 bytes, `QuotaExceeded` under overload. */
export function hashPassword(password: string, cost = PASSWORD_HASH_COST): Promise<string> {
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw new InvalidRequest(`password length exceeds ${PASSWORD_BYTES_MAX} bytes`);
  }
  return inTurn(() => hash(password, { cost, version: '2a' }));
}

/** Whether the password belongs to the bcrypt hash; false for a malformed hash. Throws `QuotaExceeded` under overload. */
export function verifyPassword(password: string, passwordHash: string): Promise<boolean> {
  const fits = Buffer.byteLength(password) <= PASSWORD_BYTES_MAX;
  return inTurn(async () => (await verify(fits ? password : '', passwordHash)) && fits);
}

/** Does the work of a verification for a user who does not exist, so that time tells nobody who does; always false. */
export async function verifyNobody(password: string): Promise<false> {
  nobodyHash ??= hashPassword('nobody');
  await verifyPassword(password, await nobodyHash);
  return false;
}
let nobodyHash: Promise<string> | undefined;

/** Throws `InvalidRequest` unless `passwordHash` is a bcrypt hash of bearable cost. */
export function checkPasswordHash(passwordHash: string): void {
  const { cost } = parseHash(passwordHash);
  if (cost > PASSWORD_HASH_COST_MAX) {
    throw new InvalidRequest(`password_hash has cost ${cost}; at most ${PASSWORD_HASH_COST_MAX} is accepted`);
  }
}

function parseHash(passwordHash: string): ParsedHashOptions {
  try {
    return parseOptions(passwordHash);
  } catch {
    throw new InvalidRequest('password_hash must be a bcrypt hash');
  }
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running < RUNNING_MAX) running += 1;
  else {
    if (waiting.length >= WAITING_MAX) throw new QuotaExceeded('too many password checks are under way');
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
