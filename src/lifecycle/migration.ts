import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { type SealConfig, type WrappedKey, wrapWithAll } from '../seal/seal.ts';
import { RECOVERY, SHAMIR, shamirSeal } from '../seal/shamir.ts';
import type { Protection } from './protection.ts';
import type { Seals } from './seals.ts';

/** From key shares to an automatic seal, whose recovery shares the same shares become; or the way back. */
export type MigrationKind = 'to an automatic seal' | 'to key shares';

export interface MigrationOptions {
  readonly protection: Protection;
  readonly seals: Seals;
  readonly random: Random;
  readonly log: Logger;
}

/** The migration that the configuration asks for. Between automatic seals none is needed: any of them unwraps for all. */
export function pendingMigration({ protection, seals }: MigrationOptions): MigrationKind | undefined {
  if (!protection.hasRecovery) return seals.enabled.length > 0 ? 'to an automatic seal' : undefined;
  return seals.enabled.length === 0 && seals.all.length > 0 ? 'to key shares' : undefined;
}

/** Also one that the configuration leaves open: with no seal in it, recovery shares may become key shares. */
export function possibleMigration(options: MigrationOptions): MigrationKind | undefined {
  const { protection, seals } = options;
  const left = protection.hasRecovery && seals.all.length === 0;
  return left ? 'to key shares' : pendingMigration(options);
}

/**
 * Carries it out in one commit, or not at all. `shareKey` is what the shares gave; both keys stay the caller's. Rejects
 * with `InvalidRequest` when no automatic seal works that is to be gone over to.
 */
export async function migrate(
  kind: MigrationKind,
  keys: { readonly shareKey: Buffer; readonly rootKey: Buffer },
  options: MigrationOptions,
): Promise<void> {
  const { protection, seals, log } = options;
  const shares = protection.shares;
  if (kind === 'to key shares') {
    const record = await wrapWithShares(keys, SHAMIR, options.random);
    await protection.migrate({ records: [record], config: { ...shares, type: SHAMIR }, recovery: undefined });
  } else {
    const automatic = await wrapWithAll(seals.enabled, keys.rootKey).catch(() => undefined);
    if (!automatic) throw new InvalidRequest('the seal to migrate to does not work now; nothing was changed');
    for (const { seal, error } of automatic.failures)
      log.warn('a seal cannot wrap the root key now; it is tried again', { seal, error });
    const record = await wrapWithShares(keys, RECOVERY, options.random);
    await protection.migrate({
      records: [...automatic.records, record],
      config: automaticConfig(shares, seals),
      recovery: shares,
    });
  }
  log.info('the seal was migrated', { migration: kind });
}

/** As `core/seal-config` has it beside an automatic seal. */
export function automaticConfig(shares: SealConfig, seals: Seals): SealConfig {
  const type = seals.enabled[0]?.type ?? shares.type;
  return { ...shares, type, secret_shares: 1, secret_threshold: 1, pgp_fingerprints: [], backup: false };
}

async function wrapWithShares(
  { shareKey, rootKey }: { shareKey: Buffer; rootKey: Buffer },
  name: string,
  random: Random,
): Promise<WrappedKey> {
  const seal = shamirSeal({ key: Buffer.from(shareKey), random, name });
  try {
    return await seal.wrap(rootKey);
  } finally {
    seal.close();
  }
}
