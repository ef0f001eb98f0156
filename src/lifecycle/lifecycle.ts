/**
 * Not initialised, sealed, unsealed: owns the way between the three, the records that say how the root key is protected,
 * and nothing of what goes on while unsealed: that is opened and closed through `Unsealed`.
 */
import type { Barrier } from '../barrier/barrier.ts';
import { openSession, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { CorruptRecord, InvalidRequest, NotInitialized, Sealed, unlessCorrupt } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import {
  type Seal,
  type SealConfig,
  SealUnavailable,
  unwrapWithAny,
  type WrappedKey,
  wrapWithAll,
} from '../seal/seal.ts';
import { RECOVERY, SHAMIR, unwrapWithShares } from '../seal/shamir.ts';
import { collectShares, type ShareCollector } from '../seal/shares.ts';
import type { Store, Transaction } from '../store/store.ts';
import {
  checkInitialization,
  type Initialization,
  type InitializationResult,
  makeShares,
  type ShareCounts,
} from './initialization.ts';
import { CONFIG, Protection, RECOVERY_CONFIG, ROOT_KEY } from './protection.ts';

/** What is open while the server is unsealed. */
export interface Unsealed {
  /** First of all times: default mounts, policies, salts. */
  initialize(session: Session): void;
  /** Loads and starts; on failure the server stays sealed. */
  start(session: Session): Promise<void>;
  stop(): Promise<void>;
  createRootToken(session: Session): string;
}

export interface LifecycleOptions {
  store: Store;
  barrier: Barrier;
  /** Automatic seals of the configuration, in order; empty: Shamir. */
  seals: readonly Seal[];
  open(): Unsealed;
  clock: Clock;
  random: Random;
  log: Logger;
  clusterName: string | undefined;
  storageType: string;
  version: string;
  buildDate: string;
}

const CLUSTER = 'core/cluster';
const ROOT_KEY_BYTES = 32;

export class Lifecycle {
  /** How the root key is wrapped; changed only in `whileUnsealed`. */
  readonly protection: Protection;
  readonly #options: LifecycleOptions;
  /** Of records read lately: load balancers ask for the state all the time. */
  readonly #parsed = new WeakMap<Uint8Array, unknown>();
  #unsealed: Unsealed | undefined;
  #collector: ShareCollector | undefined;
  /** One change of state at a time. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.protection = new Protection(options);
  }

  get initialized(): boolean {
    return this.#config() !== undefined;
  }
  get sealed(): boolean {
    return this.#unsealed === undefined;
  }
  get cluster(): { id: string; name: string } | undefined {
    return unlessCorrupt(() => this.#read<{ id: string; name: string }>(CLUSTER), undefined);
  }
  /** The error a request gets while it cannot be served. */
  sealedError(): Error {
    return this.initialized ? new Sealed() : new NotInitialized('Vault is not initialized');
  }

  /**
   * Makes root key, keyring, shares and root token in one commit, or nothing. With an automatic seal the server is
   * unsealed after; where that fails it stays sealed, and the reply with the only copy of the shares goes out all the same.
   */
  initialize(request: Initialization): Promise<InitializationResult> {
    return this.#alone(async () => {
      if (this.initialized) throw new InvalidRequest('Vault is already initialized');
      const automatic = this.#options.seals.length > 0;
      const counts = checkInitialization(request, automatic);
      const { random, store, barrier } = this.#options;
      const rootKey = random.bytes(ROOT_KEY_BYTES);
      try {
        const made = await makeShares(counts, { random, name: automatic ? RECOVERY : SHAMIR });
        const records = await this.#wrapFirst(made.seal, rootKey);
        const transaction = store.begin();
        barrier.initialize(transaction, rootKey);
        this.#write(transaction, ROOT_KEY, records);
        this.#write(
          transaction,
          CONFIG,
          automatic
            ? { ...made.config, type: this.#options.seals[0]!.type, secret_shares: 1, secret_threshold: 1 }
            : made.config,
        );
        if (automatic) this.#write(transaction, RECOVERY_CONFIG, made.config);
        const id = random.uuid();
        this.#write(transaction, CLUSTER, {
          id,
          name: this.#options.clusterName ?? `vault-cluster-${id.slice(0, 8)}`,
        });
        barrier.unseal(transaction, rootKey);
        this.protection.keepPublicKey(transaction, made.publicKey);
        const rootToken = await this.#firstState(transaction, counts);
        if (automatic) {
          await this.#start().catch((error) =>
            this.#options.log.error('initialised, but the server could not be unsealed', { error }),
          );
        }
        return { ...made.shown, root_token: rootToken };
      } finally {
        rootKey.fill(0);
        if (this.sealed) barrier.seal();
      }
    });
  }

  /** Adds a share; with enough of them the server unseals. */
  async submitShare(share: string): Promise<void> {
    await this.#alone(async () => {
      if (!this.initialized) throw new InvalidRequest('server is not yet initialized');
      if (!this.sealed) return;
      const key = await this.#shares().submit(share);
      if (!key) return;
      const { random } = this.#options;
      const wrapped = this.#wrapped().find((record) => record.seal === SHAMIR || record.seal === RECOVERY);
      if (!wrapped) throw new InvalidRequest('no key shares belong to this server');
      await this.#unsealWith(await unwrapWithShares({ key, wrapped, random }));
    });
  }

  resetShares(): void {
    this.#collector?.reset();
  }

  /** Tries the automatic seals; rejects with the seals' reasons when none works. Nothing to do for Shamir. */
  async unsealAutomatically(): Promise<void> {
    if (this.#options.seals.length === 0 || !this.initialized) return;
    await this.#alone(async () => {
      if (!this.sealed) return;
      const { rootKey, seal, stale, failures } = await unwrapWithAny(this.#options.seals, this.#wrapped());
      for (const { seal: name, error } of failures)
        this.#options.log.warn('a seal did not give the root key', { seal: name, error });
      this.#options.log.info('unsealing by an automatic seal', { seal: seal.name });
      if (stale) await this.#wrapAnew(seal, rootKey);
      await this.#unsealWith(rootKey);
    });
  }

  /** Stops everything and overwrites the keys. */
  seal(): Promise<void> {
    return this.#alone(async () => {
      const unsealed = this.#unsealed;
      this.#unsealed = undefined;
      try {
        await unsealed?.stop();
      } finally {
        this.#options.barrier.seal();
      }
      if (unsealed) this.#options.log.info('sealed');
    });
  }

  /** Runs `work` while nothing else changes the state or the keys. Rejects with what a sealed server says. */
  whileUnsealed<T>(work: () => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      if (this.sealed) throw this.sealedError();
      return work();
    });
  }

  /** As `sys/seal-status` shows it. */
  status() {
    const config = this.#config();
    const shares = this.#sharesConfig();
    const automatic = this.#options.seals.length > 0;
    const cluster = this.sealed ? undefined : this.cluster;
    return {
      type: config?.type ?? this.#options.seals[0]?.type ?? SHAMIR,
      initialized: config !== undefined,
      sealed: this.sealed,
      t: shares?.secret_threshold ?? 0,
      n: shares?.secret_shares ?? 0,
      progress: this.#collector?.progress ?? 0,
      nonce: this.#collector?.nonce ?? '',
      version: this.#options.version,
      build_date: this.#options.buildDate,
      migration: false,
      ...(cluster ? { cluster_name: cluster.name, cluster_id: cluster.id } : {}),
      recovery_seal: automatic,
      storage_type: this.#options.storageType,
    };
  }

  /** The root key under the seal of the shares (closed hereby) and every automatic seal, of which one at least must work. */
  async #wrapFirst(shareSeal: Seal, rootKey: Buffer): Promise<WrappedKey[]> {
    const { seals, log } = this.#options;
    try {
      const { records, failures } = await wrapWithAll([...seals, shareSeal], rootKey);
      for (const { seal, error } of failures) log.warn('a seal could not wrap the root key', { seal, error });
      if (seals.length > 0 && failures.length === seals.length)
        throw new SealUnavailable('no automatic seal could wrap the root key');
      return records;
    } finally {
      shareSeal.close();
    }
  }

  /** Commits the first state; the root token as the reply shows it, which must be possible before anything is kept. */
  async #firstState(transaction: Transaction, counts: ShareCounts): Promise<string> {
    const session = openSession(this.#options, transaction);
    const first = this.#options.open();
    first.initialize(session);
    const rootToken = await counts.showRootToken(first.createRootToken(session));
    session.apply();
    await session.settled();
    return rootToken;
  }

  async #unsealWith(rootKey: Buffer): Promise<void> {
    try {
      this.#options.barrier.unseal(this.#options.store.begin(), rootKey);
      await this.#start();
    } finally {
      rootKey.fill(0);
    }
  }

  async #start(): Promise<void> {
    const unsealed = this.#options.open();
    try {
      await unsealed.start(openSession(this.#options));
    } catch (error) {
      await unsealed.stop().finally(() => this.#options.barrier.seal());
      throw error;
    }
    this.#unsealed = unsealed;
    this.#options.log.info('unsealed');
  }

  /** The seal's key was replaced: from now on the new one opens, and the old one is not needed any more. */
  async #wrapAnew(seal: Seal, rootKey: Buffer): Promise<void> {
    const { store, log } = this.#options;
    try {
      const renewed = await seal.wrap(rootKey);
      const transaction = store.begin();
      const records = this.#wrapped().map((record) => (record.seal === seal.name ? renewed : record));
      this.#write(transaction, ROOT_KEY, records);
      await store.durable(transaction.apply());
      log.info('wrapped the root key with the new key of the seal', { seal: seal.name, key: seal.keyId });
    } catch (error) {
      log.error('the root key could not be wrapped with the new key of the seal: keep the old one', {
        error,
      });
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#changing.then(work, work);
    this.#changing = mine.catch(() => {});
    return mine;
  }

  #shares(): ShareCollector {
    const threshold = this.#sharesConfig()?.secret_threshold ?? 1;
    // Rekeying may have changed the threshold.
    if (this.#collector?.threshold !== threshold) {
      this.#collector?.reset();
      this.#collector = collectShares({ threshold, random: this.#options.random });
    }
    return this.#collector;
  }
  #sharesConfig(): SealConfig | undefined {
    return this.#read<SealConfig>(RECOVERY_CONFIG) ?? this.#config();
  }
  #config(): SealConfig | undefined {
    return this.#read<SealConfig>(CONFIG);
  }
  #wrapped(): WrappedKey[] {
    return this.#read<WrappedKey[]>(ROOT_KEY) ?? [];
  }

  /** These records are read while sealed: plain JSON, with nothing secret in it. */
  #read<T>(key: string): T | undefined {
    const bytes = this.#options.store.begin().get(key);
    if (!bytes) return undefined;
    let value = this.#parsed.get(bytes);
    if (value === undefined) {
      value = this.#parse(key, bytes);
      this.#parsed.set(bytes, value);
    }
    if (value instanceof CorruptRecord) throw value;
    return value as T;
  }
  #parse(key: string, bytes: Uint8Array): unknown {
    try {
      return JSON.parse(Buffer.from(bytes).toString());
    } catch {
      this.#options.log.error('a stored record is damaged', { key });
      return new CorruptRecord(key);
    }
  }
  #write(transaction: Transaction, key: string, value: unknown): void {
    transaction.put(key, Buffer.from(JSON.stringify(value)));
  }
}
