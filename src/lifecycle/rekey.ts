import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { zero } from '../crypto/zero.ts';
import { encryptShares } from '../seal/pgp.ts';
import type { Seal, WrappedKey } from '../seal/seal.ts';
import { RECOVERY, SHAMIR, unwrapWithShares } from '../seal/shamir.ts';
import { checkShareCounts, collectShares, type ShareCollector } from '../seal/shares.ts';
import { Attempts, giveShare, proveShares } from './attempt.ts';
import { makeShares } from './initialization.ts';
import type { Delivery, Proof, Protection, ProtectionChange, ShareBackup, ShareKind } from './protection.ts';

const ROOT_KEY_BYTES = 32;

/** The body of `sys/rekey/init`. */
export interface RekeyRequest {
  readonly secret_shares?: number | undefined;
  readonly secret_threshold?: number | undefined;
  readonly pgp_keys?: readonly string[] | undefined;
  readonly backup?: boolean | undefined;
  readonly require_verification?: boolean | undefined;
}

interface RekeySettings {
  readonly shares: number;
  readonly threshold: number;
  readonly pgpKeys: readonly string[];
  readonly fingerprints: readonly string[];
  readonly backup: boolean;
  readonly verify: boolean;
}

/** New shares that were shown but do not hold yet. What they open is kept, not their key. */
interface Unverified {
  nonce: string;
  readonly change: ProtectionChange;
  /** The new root key (or the present one) under the new shares. */
  readonly wrapped: WrappedKey;
  readonly shares: ShareCollector;
}

export interface ShareInput {
  readonly key?: string | undefined;
  readonly nonce?: string | undefined;
}

/** What a share is answered with: how far it is, or with `complete` the new shares (null: none were made). */
export type RekeyReply = {
  readonly nonce: string;
  readonly started?: boolean;
  readonly complete?: boolean;
  readonly t?: number;
  readonly n?: number;
  readonly progress?: number;
  readonly required?: number;
  readonly keys?: readonly string[] | null;
  readonly keys_base64?: readonly string[] | null;
  readonly pgp_fingerprints: readonly string[] | null;
  readonly backup: boolean;
  readonly verification_required: boolean;
  readonly verification_nonce?: string;
};

export interface RekeyOptions {
  /** `unseal`: the root key is new as well; behind an automatic seal it alone is, and no shares are made. */
  kind: ShareKind;
  protection: Protection;
  clock: Clock;
  random: Random;
  log: Logger;
  /** The protection is another now: what others were about to do with the old shares is void. */
  replaced(): void;
}

/**
 * New shares for old ones, agreed to by holders of enough of the present shares. Until the one commit that replaces the
 * protection everything stays as it was. Callers run one method at a time, while unsealed.
 */
export class Rekey {
  readonly #options: RekeyOptions;
  readonly #attempts: Attempts<RekeySettings>;
  #unverified: Unverified | undefined;

  constructor(options: RekeyOptions) {
    this.#options = options;
    this.#attempts = new Attempts({ ...options, name: 'rekey', ended: () => this.#forgetUnverified() });
  }

  /** As `sys/rekey/init` shows it. */
  status() {
    const { current } = this.#attempts;
    const settings = current?.settings;
    return {
      nonce: current?.nonce ?? '',
      started: current !== undefined,
      t: settings?.threshold ?? 0,
      n: settings?.shares ?? 0,
      progress: current?.shares.progress ?? 0,
      required: this.#options.protection.shares.secret_threshold,
      pgp_fingerprints: settings && settings.fingerprints.length > 0 ? settings.fingerprints : null,
      backup: settings?.backup ?? false,
      verification_required: settings?.verify ?? false,
      ...(this.#unverified ? { verification_nonce: this.#unverified.nonce } : {}),
    };
  }

  /** Throws `InvalidRequest` for impossible settings, or while an attempt is under way. */
  async start(request: RekeyRequest) {
    const { protection, kind, log } = this.#options;
    this.#attempts.assertNone();
    const settings = await checkSettings(request, kind, protection.hasRecovery);
    const { nonce } = this.#attempts.begin(settings, protection.thresholds);
    log.info('rekey started', { kind, nonce, shares: settings.shares, threshold: settings.threshold });
    return this.status();
  }

  /**
   * Takes one of the present shares. With the last, the reply has the new ones, which hold from then on (or once they
   * are verified). Rejects with `InvalidRequest`; wrong shares end the attempt.
   *
   * `deliver` takes what is to be told when the reply with new shares has gone out, or could not: until then the present
   * ones hold as well. Without it, it has.
   */
  async update(
    { key: share, nonce }: ShareInput,
    deliver?: (delivery: Delivery) => void,
  ): Promise<RekeyReply> {
    const attempt = this.#attempts.find(nonce);
    if (this.#unverified)
      throw new InvalidRequest('rekey operation already authorized; the new keys must be verified');
    const key = await giveShare(attempt.shares, share);
    this.#attempts.touch();
    if (!key) return this.status();
    try {
      const proof = await proveShares(attempt.shares, key, this.#options.protection);
      if (!proof) return this.status();
      const { reply, delivery } = await this.#authorized(proof, attempt.nonce, attempt.settings);
      if (deliver) deliver(this.#logged(delivery));
      else await delivery(true);
      return reply;
    } catch (error) {
      this.#attempts.end();
      throw error instanceof InvalidRequest ? new InvalidRequest(`${error.message}; rekey ended`) : error;
    }
  }

  /** As `sys/rekey/verify` shows it. Throws `InvalidRequest` when there is nothing to verify. */
  verifyStatus() {
    const { nonce, shares } = this.#toVerify();
    const { threshold: t, shares: n } = this.#attempts.current!.settings;
    return { nonce, started: true, t, n, progress: shares.progress };
  }

  /** Takes one of the new shares; with enough of them the new ones hold. Wrong ones begin the verification anew. */
  async verify({ key: share, nonce }: ShareInput) {
    const unverified = this.#toVerify();
    if (!equalSecrets(nonce ?? '', unverified.nonce))
      throw new InvalidRequest('incorrect nonce supplied for this verification operation');
    const key = await giveShare(unverified.shares, share);
    this.#attempts.touch();
    if (!key) return this.verifyStatus();
    const { wrapped, change } = unverified;
    const rootKey = await unwrapWithShares({ key, wrapped, random: this.#options.random }).catch(() => {
      throw new InvalidRequest(
        'rekey verification failed: incorrect key shares supplied; give all of them again',
      );
    });
    await this.#replace(change, rootKey);
    return { nonce: unverified.nonce, complete: true };
  }

  /** Forgets the new shares that were given so far, and gives the verification another nonce. */
  restartVerification() {
    const unverified = this.#toVerify();
    unverified.shares.reset();
    unverified.nonce = this.#options.random.uuid();
    return this.verifyStatus();
  }

  /** `bound`: at first only with the nonce. */
  cancel(nonce: string | undefined, rule: { bound: boolean }): undefined {
    if (!this.#attempts.current) return undefined;
    this.#attempts.cancel(nonce, rule);
    this.#options.log.info('rekey cancelled', { kind: this.#options.kind });
    return undefined;
  }

  /** Overwrites what is kept of an attempt. */
  end(): void {
    this.#attempts.end();
  }

  #logged(delivery: Delivery): Delivery {
    const { log, kind } = this.#options;
    return async (delivered) => {
      await delivery(delivered);
      if (!delivered) log.warn('the new shares could not be handed out: the old ones hold', { kind });
    };
  }

  async #authorized(
    proof: Proof,
    nonce: string,
    settings: RekeySettings,
  ): Promise<{ reply: RekeyReply; delivery: Delivery }> {
    const { protection, kind } = this.#options;
    const { rootKey, seal } = proof;
    const newRootKey = kind === 'unseal' ? this.#options.random.bytes(ROOT_KEY_BYTES) : rootKey;
    try {
      await protection.settle(proof);
      if (kind === 'unseal' && protection.hasRecovery) {
        const records = await protection.wrapWithSeals(newRootKey, seal);
        const delivery = await this.#replace({ kind, records, newRootKey: true }, newRootKey);
        return { reply: { ...shownOf(settings, nonce), keys: null, keys_base64: null }, delivery };
      }
      const { keys, keys_base64, unverified } = await this.#makeShares(newRootKey, nonce, settings);
      const shown = { ...shownOf(settings, nonce), keys, keys_base64 };
      if (settings.verify) {
        this.#unverified = unverified;
        return { reply: { ...shown, verification_nonce: unverified.nonce }, delivery: async () => {} };
      }
      const previous = await seal.wrap(newRootKey);
      return { reply: shown, delivery: await this.#replace({ ...unverified.change, previous }, newRootKey) };
    } finally {
      seal.close();
      zero(rootKey, newRootKey);
    }
  }

  async #makeShares(rootKey: Buffer, nonce: string, settings: RekeySettings) {
    const { protection, kind, random } = this.#options;
    const name = kind === 'recovery' ? RECOVERY : SHAMIR;
    const made = await makeShares({ ...settings, automatic: false }, { random, name });
    const { keys = [], keys_base64 = [] } = made.shown;
    const wrapped = await wrapAndClose(made.seal, rootKey);
    const backup = settings.backup
      ? backupOf(nonce, settings.fingerprints, { keys, keys_base64 })
      : undefined;
    const records =
      kind === 'recovery'
        ? protection.records.map((record) => (record.seal === RECOVERY ? wrapped : record))
        : [wrapped];
    const config = { ...made.config, backup: settings.backup };
    const { publicKey } = made;
    const change: ProtectionChange = {
      kind,
      records,
      config,
      publicKey,
      backup,
      newRootKey: kind === 'unseal',
    };
    const shares = collectShares({ thresholds: [settings.threshold], random });
    return { keys, keys_base64, unverified: { nonce: random.uuid(), change, wrapped, shares } };
  }

  async #replace(change: ProtectionChange, rootKey: Buffer): Promise<Delivery> {
    const { protection, log, replaced } = this.#options;
    let delivery: Delivery;
    try {
      delivery = await protection.replace(change, rootKey);
    } finally {
      rootKey.fill(0);
    }
    log.info('rekey complete', { kind: change.kind, new_root_key: change.newRootKey });
    this.#attempts.end();
    replaced();
    return delivery;
  }

  #toVerify(): Unverified {
    if (!this.#unverified) throw new InvalidRequest('no rekey verification in progress');
    return this.#unverified;
  }

  #forgetUnverified(): void {
    this.#unverified?.shares.reset();
    this.#unverified = undefined;
  }
}

async function wrapAndClose(seal: Seal, rootKey: Buffer): Promise<WrappedKey> {
  try {
    return await seal.wrap(rootKey);
  } finally {
    seal.close();
  }
}

async function checkSettings(
  request: RekeyRequest,
  kind: ShareKind,
  hasRecovery: boolean,
): Promise<RekeySettings> {
  const shares = request.secret_shares ?? 0;
  const threshold = request.secret_threshold ?? 0;
  const pgpKeys = request.pgp_keys ?? [];
  const backup = request.backup ?? false;
  const verify = request.require_verification ?? false;
  if (kind === 'recovery' && !hasRecovery)
    throw new InvalidRequest('recovery rekeying not supported: this server has no recovery keys');
  checkShareCounts({ shares, threshold });
  if (kind === 'unseal' && hasRecovery) {
    if (shares !== 1 || threshold !== 1)
      throw new InvalidRequest(
        'secret_shares and secret_threshold must be set to 1 when using stored shares',
      );
    if (pgpKeys.length > 0)
      throw new InvalidRequest('PGP key encryption not supported when using stored keys');
    if (verify) throw new InvalidRequest('requiring verification not supported when rekeying the stored key');
  }
  if (pgpKeys.length > 0 && pgpKeys.length !== shares)
    throw new InvalidRequest('incorrect number of PGP keys for rekey');
  if (backup && pgpKeys.length === 0) {
    throw new InvalidRequest(
      'cannot request a backup of the new keys without providing PGP keys for encryption',
    );
  }
  const fingerprints = await checkPgpKeys(pgpKeys);
  return { shares, threshold, pgpKeys, fingerprints, backup, verify };
}

/** Encrypts something to each of them: found out now, a key that does not serve costs nobody their shares. */
async function checkPgpKeys(pgpKeys: readonly string[]): Promise<readonly string[]> {
  if (pgpKeys.length === 0) return [];
  const { fingerprints } = await encryptShares(
    pgpKeys.map(() => Buffer.alloc(1)),
    pgpKeys,
  );
  return fingerprints;
}

function shownOf(settings: RekeySettings, nonce: string) {
  return {
    complete: true,
    nonce,
    pgp_fingerprints: settings.fingerprints.length > 0 ? settings.fingerprints : null,
    backup: settings.backup,
    verification_required: settings.verify,
  };
}

/** One holder's key may have encrypted several shares. */
function backupOf(
  nonce: string,
  fingerprints: readonly string[],
  { keys, keys_base64 }: { keys: readonly string[]; keys_base64: readonly string[] },
): ShareBackup {
  const byFingerprint = (values: readonly string[]) =>
    Object.fromEntries(
      [...new Set(fingerprints)].map((print) => [
        print,
        values.filter((_, at) => fingerprints[at] === print),
      ]),
    );
  return { nonce, keys: byFingerprint(keys), keys_base64: byFingerprint(keys_base64) };
}
