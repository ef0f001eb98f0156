import { createPrivateKey, createPublicKey } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import type { Random } from '../../base/random.ts';
import { newKeyPair } from './algorithms.ts';
import type { KeyPair, KeyPairs, OidcRecords, SigningKey } from './records.ts';

/** Publishes no more than this of one key, however often somebody rotates it. */
const RETIRED_MAX = 20;

/** The first two pairs of a key. */
export async function firstPairs(
  key: Pick<SigningKey, 'algorithm' | 'rotationPeriod'>,
  { random, nowMs }: { random: Random; nowMs: number },
): Promise<KeyPairs> {
  const [current, next] = await Promise.all([
    newKeyPair(key.algorithm, random),
    newKeyPair(key.algorithm, random),
  ]);
  return { current, next, retired: [], rotateAtMs: nowMs + key.rotationPeriod * 1000 };
}

/**
 * The key after its next pair took over; `following` is the pair after that. The private half of the one before is gone
 * with it, its public half stays published for `verificationTtl` seconds.
 */
export function rotated(
  key: SigningKey & { readonly pairs: KeyPairs },
  following: KeyPair,
  { nowMs, verificationTtl = key.verificationTtl }: { nowMs: number; verificationTtl?: number | undefined },
): SigningKey {
  const { current, next, retired } = key.pairs;
  const before = {
    kid: current.kid,
    publicKey: current.publicKey,
    expiresAtMs: nowMs + verificationTtl * 1000,
  };
  return {
    ...key,
    pairs: {
      current: next,
      next: following,
      retired: [before, ...unexpired(retired, nowMs)]
        .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
        .slice(0, RETIRED_MAX),
      rotateAtMs: nowMs + key.rotationPeriod * 1000,
    },
  };
}

function unexpired<T extends { expiresAtMs: number }>(retired: readonly T[], nowMs: number): T[] {
  return retired.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
}

/** Whether the key may sign for a client or role. */
export function mayUse(
  { allowedClientIds }: Pick<SigningKey, 'allowedClientIds'>,
  clientId: string,
): boolean {
  return allowedClientIds.includes('*') || allowedClientIds.includes(clientId);
}

/** A signed token, as compact JWS. */
export function signClaims(algorithm: string, pair: KeyPair, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, kid: pair.kid })
    .sign(createPrivateKey(pair.privateKey));
}

/** A public key with what it verifies. */
export interface PublishedKey {
  readonly kid: string;
  readonly algorithm: SigningKey['algorithm'];
  readonly publicKey: string;
}

/** What is published of some keys now. */
export function publishedKeys(keys: Iterable<SigningKey>, nowMs: number): PublishedKey[] {
  return [...keys].flatMap(({ algorithm, pairs }) =>
    pairs
      ? [pairs.current, pairs.next, ...unexpired(pairs.retired, nowMs)].map(({ kid, publicKey }) => ({
          kid,
          algorithm,
          publicKey,
        }))
      : [],
  );
}

/** As JSON Web Key Set (RFC 7517). */
export function jwks(keys: readonly PublishedKey[]): { keys: Record<string, unknown>[] } {
  return {
    keys: keys.map(({ kid, algorithm, publicKey }) => ({
      use: 'sig',
      kid,
      alg: algorithm,
      ...createPublicKey(publicKey).export({ format: 'jwk' }),
    })),
  };
}

/** Seconds until the first of the keys changes: how long what is published may be kept. */
export function cacheSeconds(keys: Iterable<SigningKey>, nowMs: number): number {
  const times = [...keys].flatMap(({ pairs }) => pairs?.rotateAtMs ?? []);
  return times.length === 0 ? 0 : Math.max(0, Math.floor((Math.min(...times) - nowMs) / 1000));
}

/** The keys that sign for a provider's clients. */
export function keysOfClients(records: OidcRecords, allowedClientIds: readonly string[]): SigningKey[] {
  const names = new Set<string>();
  if (allowedClientIds.includes('*')) for (const client of records.all('client')) names.add(client.key);
  else for (const id of allowedClientIds) names.add(records.clientById(id)?.key ?? '');
  return [...names].flatMap((name) => records.get('key', name) ?? []);
}
