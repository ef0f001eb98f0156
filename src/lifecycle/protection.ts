import type { Barrier } from '../barrier/barrier.ts';
import { InvalidRequest, unlessCorrupt } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import {
  type Seal,
  type SealConfig,
  UnwrapFailed,
  type WrappedKey,
  type WrappingSeal,
  wrapWithAll,
} from '../seal/seal.ts';
import { publicKeyOfShares, RECOVERY, SHAMIR, shamirSeal, wrapForShares } from '../seal/shamir.ts';
import { invalidKey } from '../seal/shares.ts';
import type { Store, Transaction } from '../store/store.ts';
import { PlainRecords } from './plain-records.ts';
import type { Seals } from './seals.ts';

export const CONFIG = 'core/seal-config';
export const RECOVERY_CONFIG = 'core/recovery-config';
export const ROOT_KEY = 'core/root-key';

/** Which shares: of the key that unseals, or of the recovery key beside an automatic seal. */
export type ShareKind = 'unseal' | 'recovery';

/** PGP-encrypted shares, kept as plain JSON: they are as safe in the store as in the reply. */
export interface ShareBackup {
  readonly nonce: string;
  /** By fingerprint; hex, and the same as base64. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  readonly keys_base64: Readonly<Record<string, readonly string[]>>;
}

/** Of the shares that operators hold; encrypted, so that nobody can put their own in its place. */
const PUBLIC_KEY = { under: 'core/', key: 'shares-public-key' } as const;
const ROOT_KEY_BYTES = 32;

const PREVIOUS = 'core/previous-shares';

const BACKUP: Readonly<Record<ShareKind, string>> = {
  unseal: 'core/unseal-keys-backup',
  recovery: 'core/recovery-keys-backup',
};

/** What takes the place of the present protection, all in one commit. */
export interface ProtectionChange {
  readonly kind: ShareKind;
  readonly records: readonly WrappedKey[];
  /** Absent: the shares stay as they are. */
  readonly config?: SealConfig;
  /** Of the new shares. */
  readonly publicKey?: Buffer;
  /** Replaces an earlier one; absent: the earlier one goes, for its shares are of no use any more. */
  readonly backup?: ShareBackup | undefined;
  /** Whether the records wrap another root key than the present one. */
  readonly newRootKey: boolean;
  /** The root key for the shares that are replaced: they open as well, until somebody is known to have the new ones. */
  readonly previous?: WrappedKey;
}

/** Shares that were replaced by others of which nobody is known to have them; they are as good as those. */
interface PreviousShares {
  readonly id: string;
  readonly kind: ShareKind;
  readonly wrapped: WrappedKey;
  readonly config: SealConfig;
  readonly backup?: ShareBackup;
}

/** The root key, by shares that somebody gave. */
export interface Proof {
  readonly rootKey: Buffer;
  /** Over the key of these shares; the caller closes it. */
  readonly seal: Seal;
  /** Where these are the previous shares: their public key. */
  readonly previousPublicKey?: Buffer;
}

/** New shares on their way to their holders: told how that ended, by which they hold alone, or the previous ones again. */
export type Delivery = (delivered: boolean) => Promise<void>;

/** What key shares or recovery shares are, after one became the other. */
export interface ProtectionMigration {
  readonly records: readonly WrappedKey[];
  readonly config: SealConfig;
  /** Absent: the shares are key shares. */
  readonly recovery: SealConfig | undefined;
}

export interface ProtectionOptions {
  store: Store;
  barrier: Barrier;
  seals: Seals;
  random: Random;
  log: Logger;
}

/** How the root key of an initialised server is wrapped; used by the key ceremonies, one change at a time. */
export class Protection {
  readonly #options: ProtectionOptions;
  readonly #plain: PlainRecords;

  constructor(options: ProtectionOptions) {
    this.#options = options;
    this.#plain = new PlainRecords(options);
  }

  /** Whether operators hold recovery shares, beside an automatic seal. */
  get hasRecovery(): boolean {
    return this.#plain.read(RECOVERY_CONFIG) !== undefined;
  }

  /** The shares that operators hold now. */
  get shares(): SealConfig {
    const config = this.#plain.read<SealConfig>(RECOVERY_CONFIG) ?? this.#plain.read<SealConfig>(CONFIG);
    if (!config) throw new Error('an unsealed server has no record of its shares');
    return config;
  }

  get records(): readonly WrappedKey[] {
    return this.#plain.read<WrappedKey[]>(ROOT_KEY) ?? [];
  }

  /** How many shares may be enough; more than one number while it is not settled which shares hold. */
  get thresholds(): readonly number[] {
    const counts = [this.shares, this.#previous?.config].map((config) => config?.secret_threshold);
    return [...new Set(counts.filter((count) => count !== undefined))].sort((a, b) => a - b);
  }

  /** Whether the shares before the present ones open as well. */
  get unsettled(): boolean {
    return this.#previous !== undefined;
  }

  /**
   * The root key by the key that shares gave, the present or else the previous ones. Takes over `key`. Rejects with
   * `InvalidRequest` when a share was wrong. Whoever goes on with it settles which shares hold.
   */
  async prove(key: Buffer): Promise<Proof> {
    const name = this.hasRecovery ? RECOVERY : SHAMIR;
    const present = this.records.find((record) => record.seal === name);
    const previous = this.#previous?.wrapped;
    const previousPublicKey = previous && publicKeyOfShares(key);
    const seal = shamirSeal({ key, random: this.#options.random, name });
    try {
      if (!present) throw new InvalidRequest('no key shares belong to this server');
      const rootKey = await unwrapOr(seal, present);
      if (rootKey) return { rootKey, seal };
      if (previous)
        return {
          rootKey: await seal.unwrap(previous),
          seal,
          ...(previousPublicKey && { previousPublicKey }),
        };
      throw invalidKey();
    } catch (error) {
      seal.close();
      throw error instanceof UnwrapFailed ? invalidKey() : error;
    }
  }

  /** The shares that gave this proof hold from now on, and alone. Resolves when that is durable. */
  async settle({ previousPublicKey }: Proof): Promise<void> {
    const previous = this.#previous;
    if (!previous) return;
    if (previousPublicKey) await this.#restore(previous, previousPublicKey);
    else await this.#deletePrevious();
  }

  /**
   * A new root key for the present shares and every automatic seal, without the shares. Rejects with `InvalidRequest`,
   * and changes nothing, while a seal is away.
   */
  async rotateRoot(): Promise<void> {
    const { barrier, store, random } = this.#options;
    if (this.unsettled)
      throw new InvalidRequest(
        'it is not settled whether the old or the new shares hold: unseal with either, or begin a ceremony with them',
      );
    const kept = barrier.view(store.begin(), PUBLIC_KEY.under).get<string>(PUBLIC_KEY.key);
    if (kept === undefined)
      throw new InvalidRequest('the public key of the shares is not known: make new shares first');
    const publicKey = Buffer.from(kept, 'base64');
    const name = this.hasRecovery ? RECOVERY : SHAMIR;
    const forShares = {
      name,
      wrap: (rootKey: Buffer) => wrapForShares({ rootKey, publicKey, random, name }),
    };
    const rootKey = random.bytes(ROOT_KEY_BYTES);
    try {
      const records = await this.wrapWithSeals(rootKey, forShares);
      await this.replace({ kind: 'unseal', records, newRootKey: true }, rootKey);
    } finally {
      rootKey.fill(0);
    }
  }

  /** Puts the public key of new shares into a transaction that makes them the present ones. */
  keepPublicKey(transaction: Transaction, publicKey: Buffer): void {
    const view = this.#options.barrier.view(transaction, PUBLIC_KEY.under);
    view.put(PUBLIC_KEY.key, publicKey.toString('base64'));
  }

  /** Wraps by the automatic seals and for the shares. One that is away must not lose its record: it rejects instead. */
  async wrapWithSeals(rootKey: Buffer, shares: WrappingSeal): Promise<WrappedKey[]> {
    const seals = [...this.#options.seals.enabled, shares];
    const unknown = this.records.find((record) => !seals.some(({ name }) => name === record.seal));
    if (unknown) {
      throw new InvalidRequest(
        `the seal ${JSON.stringify(unknown.seal)} wraps the root key but is not configured; nothing was changed`,
      );
    }
    const { records, failures } = await wrapWithAll(seals, rootKey);
    const [failure] = failures;
    if (failure) {
      throw new InvalidRequest(
        `the seal ${JSON.stringify(failure.seal)} cannot wrap the new root key now; nothing was changed`,
      );
    }
    return records;
  }

  /**
   * Resolves when the change is durable. `rootKey`, where it is new, stays the caller's. With `previous`, whoever
   * gets the delivery must tell how it ended.
   */
  async replace(change: ProtectionChange, rootKey: Buffer): Promise<Delivery> {
    const { store, barrier } = this.#options;
    const transaction = store.begin();
    const previous = change.previous && this.#keepPrevious(transaction, change, change.previous);
    if (!previous) transaction.delete(PREVIOUS);
    writeJson(transaction, ROOT_KEY, change.records);
    if (change.config) this.#writeShares(transaction, change.kind, change.config, change.backup);
    if (change.publicKey) this.keepPublicKey(transaction, change.publicKey);
    await store.durable(change.newRootKey ? barrier.rekey(transaction, rootKey) : transaction.apply());
    return async (delivered) => {
      if (!previous || this.#previous?.id !== previous.shares.id) return;
      if (delivered) await this.#deletePrevious();
      else await this.#restore(previous.shares, previous.publicKey);
    };
  }

  #keepPrevious(transaction: Transaction, { kind }: ProtectionChange, wrapped: WrappedKey) {
    const { barrier, random } = this.#options;
    const kept = barrier.view(transaction, PUBLIC_KEY.under).get<string>(PUBLIC_KEY.key);
    const backup = this.backup(kind);
    const shares: PreviousShares = {
      id: random.uuid(),
      kind,
      wrapped,
      config: this.shares,
      ...(backup && { backup }),
    };
    writeJson(transaction, PREVIOUS, shares);
    return { shares, publicKey: kept === undefined ? undefined : Buffer.from(kept, 'base64') };
  }

  get #previous(): PreviousShares | undefined {
    return unlessCorrupt(() => this.#plain.read<PreviousShares>(PREVIOUS), undefined);
  }

  async #deletePrevious(): Promise<void> {
    const { store } = this.#options;
    const transaction = store.begin();
    transaction.delete(PREVIOUS);
    await store.durable(transaction.apply());
  }

  async #restore(shares: PreviousShares, publicKey: Buffer | undefined): Promise<void> {
    const { store } = this.#options;
    const transaction = store.begin();
    transaction.delete(PREVIOUS);
    const records = this.records.map((record) =>
      record.seal === shares.wrapped.seal ? shares.wrapped : record,
    );
    writeJson(transaction, ROOT_KEY, records);
    this.#writeShares(transaction, shares.kind, shares.config, shares.backup);
    if (publicKey) this.keepPublicKey(transaction, publicKey);
    await store.durable(transaction.apply());
  }

  #writeShares(
    transaction: Transaction,
    kind: ShareKind,
    config: SealConfig,
    backup: ShareBackup | undefined,
  ): void {
    writeJson(transaction, kind === 'recovery' ? RECOVERY_CONFIG : CONFIG, config);
    if (backup) writeJson(transaction, BACKUP[kind], backup);
    else transaction.delete(BACKUP[kind]);
  }

  /** Resolves when the records of the same root key are durable, and with the seals they name the first one's type. */
  async keep(records: readonly WrappedKey[], type: string | undefined): Promise<void> {
    const { store } = this.#options;
    const config = this.#plain.read<SealConfig>(CONFIG);
    const transaction = store.begin();
    writeJson(transaction, ROOT_KEY, records);
    if (config && type !== undefined && config.type !== type)
      writeJson(transaction, CONFIG, { ...config, type });
    await store.durable(transaction.apply());
  }

  /** Resolves when it is durable. The shares' encrypted backup stays with the shares. */
  async migrate({ records, config, recovery }: ProtectionMigration): Promise<void> {
    const { store } = this.#options;
    const [from, to] = recovery ? [BACKUP.unseal, BACKUP.recovery] : [BACKUP.recovery, BACKUP.unseal];
    const transaction = store.begin();
    const backup = transaction.get(from);
    writeJson(transaction, ROOT_KEY, records);
    writeJson(transaction, CONFIG, config);
    if (recovery) writeJson(transaction, RECOVERY_CONFIG, recovery);
    else transaction.delete(RECOVERY_CONFIG);
    transaction.delete(from);
    if (backup) transaction.put(to, Buffer.from(backup));
    else transaction.delete(to);
    await store.durable(transaction.apply());
  }

  backup(kind: ShareKind): ShareBackup | undefined {
    return this.#plain.read<ShareBackup>(BACKUP[kind]);
  }

  async deleteBackup(kind: ShareKind): Promise<void> {
    const { store } = this.#options;
    const transaction = store.begin();
    transaction.delete(BACKUP[kind]);
    await store.durable(transaction.apply());
  }
}

function writeJson(transaction: Transaction, key: string, value: unknown): void {
  transaction.put(key, Buffer.from(JSON.stringify(value)));
}

/** Undefined where the key does not fit. */
async function unwrapOr(seal: Seal, wrapped: WrappedKey): Promise<Buffer | undefined> {
  try {
    return await seal.unwrap(wrapped);
  } catch (error) {
    if (error instanceof UnwrapFailed) return undefined;
    throw error;
  }
}
