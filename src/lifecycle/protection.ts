import type { Barrier } from '../barrier/barrier.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import {
  type Seal,
  type SealConfig,
  UnwrapFailed,
  type WrappedKey,
  type WrappingSeal,
  wrapWithAll,
} from '../seal/seal.ts';
import { RECOVERY, SHAMIR, shamirSeal, wrapForShares } from '../seal/shamir.ts';
import { invalidKey } from '../seal/shares.ts';
import type { Store, Transaction } from '../store/store.ts';
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
}

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
}

/** How the root key of an initialised server is wrapped; used by the key ceremonies, one change at a time. */
export class Protection {
  readonly #options: ProtectionOptions;

  constructor(options: ProtectionOptions) {
    this.#options = options;
  }

  /** Whether operators hold recovery shares, beside an automatic seal. */
  get hasRecovery(): boolean {
    return this.#read(RECOVERY_CONFIG) !== undefined;
  }

  /** The shares that operators hold now. */
  get shares(): SealConfig {
    const config = this.#read<SealConfig>(RECOVERY_CONFIG) ?? this.#read<SealConfig>(CONFIG);
    if (!config) throw new Error('an unsealed server has no record of its shares');
    return config;
  }

  get records(): readonly WrappedKey[] {
    return this.#read<WrappedKey[]>(ROOT_KEY) ?? [];
  }

  /**
   * The root key by the key that shares gave, and the seal over that key, which the caller closes. Takes over `key`.
   * Rejects with `InvalidRequest` when a share was wrong.
   */
  async prove(key: Buffer): Promise<{ rootKey: Buffer; seal: Seal }> {
    const name = this.hasRecovery ? RECOVERY : SHAMIR;
    const wrapped = this.records.find((record) => record.seal === name);
    const seal = shamirSeal({ key, random: this.#options.random, name });
    try {
      if (!wrapped) throw new InvalidRequest('no key shares belong to this server');
      return { rootKey: await seal.unwrap(wrapped), seal };
    } catch (error) {
      seal.close();
      throw error instanceof UnwrapFailed ? invalidKey() : error;
    }
  }

  /**
   * A new root key for the present shares and every automatic seal, without the shares. Rejects with `InvalidRequest`,
   * and changes nothing, while a seal is away.
   */
  async rotateRoot(): Promise<void> {
    const { barrier, store, random } = this.#options;
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

  /** Resolves when the change is durable. `rootKey`, where it is new, stays the caller's. */
  async replace(change: ProtectionChange, rootKey: Buffer): Promise<void> {
    const { store, barrier } = this.#options;
    const transaction = store.begin();
    const write = (key: string, value: unknown) => transaction.put(key, Buffer.from(JSON.stringify(value)));
    write(ROOT_KEY, change.records);
    if (change.config) {
      write(change.kind === 'recovery' ? RECOVERY_CONFIG : CONFIG, change.config);
      if (change.backup) write(BACKUP[change.kind], change.backup);
      else transaction.delete(BACKUP[change.kind]);
    }
    if (change.publicKey) this.keepPublicKey(transaction, change.publicKey);
    await store.durable(change.newRootKey ? barrier.rekey(transaction, rootKey) : transaction.apply());
  }

  /** Resolves when the records of the same root key are durable, and with the seals they name the first one's type. */
  async keep(records: readonly WrappedKey[], type: string | undefined): Promise<void> {
    const { store } = this.#options;
    const config = this.#read<SealConfig>(CONFIG);
    const transaction = store.begin();
    const write = (key: string, value: unknown) => transaction.put(key, Buffer.from(JSON.stringify(value)));
    write(ROOT_KEY, records);
    if (config && type !== undefined && config.type !== type) write(CONFIG, { ...config, type });
    await store.durable(transaction.apply());
  }

  /** Resolves when it is durable. The shares' encrypted backup stays with the shares. */
  async migrate({ records, config, recovery }: ProtectionMigration): Promise<void> {
    const { store } = this.#options;
    const [from, to] = recovery ? [BACKUP.unseal, BACKUP.recovery] : [BACKUP.recovery, BACKUP.unseal];
    const transaction = store.begin();
    const write = (key: string, value: unknown) => transaction.put(key, Buffer.from(JSON.stringify(value)));
    const backup = transaction.get(from);
    write(ROOT_KEY, records);
    write(CONFIG, config);
    if (recovery) write(RECOVERY_CONFIG, recovery);
    else transaction.delete(RECOVERY_CONFIG);
    transaction.delete(from);
    if (backup) transaction.put(to, Buffer.from(backup));
    else transaction.delete(to);
    await store.durable(transaction.apply());
  }

  backup(kind: ShareKind): ShareBackup | undefined {
    return this.#read<ShareBackup>(BACKUP[kind]);
  }

  async deleteBackup(kind: ShareKind): Promise<void> {
    const { store } = this.#options;
    const transaction = store.begin();
    transaction.delete(BACKUP[kind]);
    await store.durable(transaction.apply());
  }

  #read<T>(key: string): T | undefined {
    const bytes = this.#options.store.begin().get(key);
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as T);
  }
}
