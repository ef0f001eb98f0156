/**
 * Identity for applications: signed identity tokens, and this server as their OpenID provider. This folder owns keys,
 * codes, claims and the rules of the protocol; who somebody is comes from the entities beside it, and the API's paths are sys/'.
 */
import { persist, type Session } from '../../barrier/session.ts';
import type { Clock } from '../../base/clock.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { newKeyPair } from './algorithms.ts';
import type { KeyPairs, OidcRecords, SigningKey } from './records.ts';
import { firstPairs, rotated } from './signing-keys.ts';

/** What work on one namespace's keys has at hand. */
export interface OidcWork {
  readonly session: Session;
  readonly namespaceId: string;
  readonly records: OidcRecords;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs alone among those with the same key. */
  locked<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export type ReadyKey = SigningKey & { readonly pairs: KeyPairs };

/** A key that can sign: one that was never needed before gets its pairs now. Throws `InvalidRequest` where there is none. */
export async function readyKey(work: OidcWork, name: string): Promise<ReadyKey> {
  const key = existingKey(work.records, name);
  if (hasPairs(key)) return key;
  return work.locked(`oidc-key/${name}`, async () => {
    const before = existingKey(work.records, name);
    if (hasPairs(before)) return before;
    const pairs = await firstPairs(before, { random: work.random, nowMs: work.clock.now() });
    const ready = { ...existingKey(work.records, name), pairs };
    work.records.put('key', ready);
    await persist(work.session);
    return ready;
  });
}

/** Lets the next pair of a key take over. */
export async function rotateKey(work: OidcWork, name: string, verificationTtl?: number): Promise<void> {
  await readyKey(work, name);
  await work.locked(`oidc-key/${name}`, async () => {
    const following = await newKeyPair(existingKey(work.records, name).algorithm, work.random);
    const key = existingKey(work.records, name);
    if (!hasPairs(key)) return;
    work.records.put('key', rotated(key, following, { nowMs: work.clock.now(), verificationTtl }));
    await persist(work.session);
  });
}

/** Codes that one round of clean-up removes before others get a turn. */
const SWEEP_SLICE = 500;

/** What a namespace needs now and then: keys whose time has come are rotated, codes that nobody redeemed go. */
export async function keepUp(work: OidcWork): Promise<void> {
  while (work.records.sweepCodes(work.clock.now(), SWEEP_SLICE) === SWEEP_SLICE) await persist(work.session);
  await persist(work.session);
  for (const name of work.records.names('key')) {
    const key = work.records.get('key', name);
    if (key?.pairs && key.pairs.rotateAtMs <= work.clock.now()) await rotateKey(work, name);
  }
}

/** Throws `InvalidRequest`. */
export function existingKey(records: OidcRecords, name: string): SigningKey {
  const key = records.get('key', name);
  if (!key) throw new InvalidRequest(`key ${JSON.stringify(name)} does not exist`);
  return key;
}

function hasPairs(key: SigningKey): key is ReadyKey {
  return key.pairs !== undefined;
}
