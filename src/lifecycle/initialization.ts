import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { encryptShares, encryptToPgpKey } from '../seal/pgp.ts';
import type { Seal, SealConfig } from '../seal/seal.ts';
import { createShamirSeal } from '../seal/shamir.ts';
import { checkShareCounts } from '../seal/shares.ts';

/** The body of `sys/init`. */
export interface Initialization {
  readonly secret_shares?: number | undefined;
  readonly secret_threshold?: number | undefined;
  readonly pgp_keys?: readonly string[] | undefined;
  readonly root_token_pgp_key?: string | undefined;
  readonly recovery_shares?: number | undefined;
  readonly recovery_threshold?: number | undefined;
  readonly recovery_pgp_keys?: readonly string[] | undefined;
  readonly stored_shares?: number | undefined;
}

/** The reply of `sys/init`. */
export interface InitializationResult {
  readonly keys?: readonly string[];
  readonly keys_base64?: readonly string[];
  readonly recovery_keys?: readonly string[];
  readonly recovery_keys_base64?: readonly string[];
  readonly root_token: string;
}

export interface ShareCounts {
  readonly automatic: boolean;
  readonly shares: number;
  readonly threshold: number;
  readonly pgpKeys: readonly string[];
  /** The root token as the reply shows it: encrypted where that was asked for. */
  showRootToken(token: string): Promise<string>;
}

/** Which shares to make: key shares, or with an automatic seal recovery shares. Throws `InvalidRequest`. */
export function checkInitialization(request: Initialization, automatic: boolean): ShareCounts {
  const own = [request.secret_shares, request.secret_threshold].some((n) => n !== undefined && n !== 0);
  const recovery = [request.recovery_shares, request.recovery_threshold].some(
    (n) => n !== undefined && n !== 0,
  );
  if (automatic && own && !recovery) {
    throw new InvalidRequest(
      'parameters secret_shares,secret_threshold not applicable to seal type; use recovery_shares and recovery_threshold',
    );
  }
  if (!automatic && recovery) {
    throw new InvalidRequest(
      'parameters recovery_shares,recovery_threshold not applicable to seal type shamir',
    );
  }
  const shares = (automatic ? request.recovery_shares : request.secret_shares) ?? (automatic ? 5 : 0);
  const threshold =
    (automatic ? request.recovery_threshold : request.secret_threshold) ?? (automatic ? 3 : 0);
  checkShareCounts({ shares, threshold });
  const pgpKeys = (automatic ? request.recovery_pgp_keys : request.pgp_keys) ?? [];
  if (pgpKeys.length > 0 && pgpKeys.length !== shares) {
    throw new InvalidRequest('incorrect number of PGP keys');
  }
  const rootKey = request.root_token_pgp_key;
  return {
    automatic,
    shares,
    threshold,
    pgpKeys,
    showRootToken: async (token) => (rootKey ? (await encryptToPgpKey(token, rootKey)).message : token),
  };
}

export interface MadeShares {
  readonly seal: Seal;
  readonly config: SealConfig;
  readonly publicKey: Buffer;
  readonly shown: Omit<InitializationResult, 'root_token'>;
}

/** A fresh seal with its shares as the reply shows them: hex and base64, or PGP messages. */
export async function makeShares(
  counts: Omit<ShareCounts, 'showRootToken'>,
  deps: { random: Random; name: string },
): Promise<MadeShares> {
  const { seal, shares, publicKey } = await createShamirSeal({ ...counts, ...deps });
  try {
    const pgp = counts.pgpKeys.length > 0 ? await encryptShares(shares, counts.pgpKeys) : undefined;
    const keys = pgp
      ? pgp.messages.map((message) => Buffer.from(message, 'base64').toString('hex'))
      : shares.map((share) => share.toString('hex'));
    const base64 = pgp ? pgp.messages : shares.map((share) => share.toString('base64'));
    const config: SealConfig = {
      type: 'shamir',
      secret_shares: counts.shares,
      secret_threshold: counts.threshold,
      pgp_fingerprints: pgp?.fingerprints ?? [],
      nonce: '',
      backup: false,
    };
    const shown = counts.automatic
      ? { recovery_keys: keys, recovery_keys_base64: base64, keys: [], keys_base64: [] }
      : { keys, keys_base64: base64 };
    return { seal, config, publicKey, shown };
  } finally {
    for (const share of shares) share.fill(0);
  }
}
