/**
 * Not initialised, sealed, unsealed: owns the way between the three, the records that say how the root key is protected,
 * and nothing of what goes on while unsealed: that is opened and closed through `Unsealed`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Barrier } from '../barrier/barrier.ts';
import { openSession, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest, NotInitialized, Sealed, unlessCorrupt } from '../base/errors.ts';
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
import { RECOVERY, SHAMIR } from '../seal/shamir.ts';
import { collectShares, type ShareCollector } from '../seal/shares.ts';
import type { Store, Transaction } from '../store/store.ts';
import { proveShares } from './attempt.ts';
import {
  checkInitialization,
  type Initialization,
  type InitializationResult,
  makeShares,
  type ShareCounts,
} from './initialization.ts';
import {
  automaticConfig,
  type MigrationKind,
  migrate,
  pendingMigration,
  possibleMigration,
} from './migration.ts';
import { PlainRecords } from './plain-records.ts';
import { CONFIG, Protection, RECOVERY_CONFIG, ROOT_KEY } from './protection.ts';
import { type SealCheck, SealHealth } from './seal-health.ts';
import type { ConfiguredSeal, Seals } from './seals.ts';
import { renewedRecords } from './upkeep.ts';

/** What is open while the server is unsealed. */
export interface Unsealed {
  /** First of all times: default mounts, policies, salts. */
  initialize(session: Session): void;
  /** Loads and starts; on failure the server stays sealed. */
  start(session: Session): Promise<void>;
  stop(): Promise<void>;
  createRootToken(session: Session): string;
  /** The shares have another meaning now: what was begun with them is void. */
  sharesChanged?(): void;
}

export interface LifecycleOptions {
  store: Store;
  barrier: Barrier;
  /** Empty: Shamir. */
  seals: Seals;
  /** After each check of a seal. */
  sealChecked?: (check: SealCheck) => void;
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
  readonly sealHealth: SealHealth;
  readonly #options: LifecycleOptions;
  readonly #plain: PlainRecords;
  #unsealed: Unsealed | undefined;
  #collector: ShareCollector | undefined;
  /** Whether the shares that are being collected are for a migration. */
  #collectsForMigration = false;
  #refreshing: Promise<void> | undefined;
  /** One change of state at a time. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#plain = new PlainRecords(options);
    this.protection = new Protection(options);
    this.sealHealth = new SealHealth({
      ...options,
      log: options.log.named('seal'),
      checked: (check) => this.#sealChecked(check),
    });
  }

  get initialized(): boolean {
    return this.#config() !== undefined;
  }
  get sealed(): boolean {
    return this.#unsealed === undefined;
  }
  get cluster(): { id: string; name: string } | undefined {
    return unlessCorrupt(() => this.#plain.read<{ id: string; name: string }>(CLUSTER), undefined);
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
      const { seals } = this.#options;
      const automatic = seals.enabled.length > 0;
      const counts = checkInitialization(request, automatic);
      const { random, store, barrier } = this.#options;
      const rootKey = random.bytes(ROOT_KEY_BYTES);
      try {
        const made = await makeShares(counts, { random, name: automatic ? RECOVERY : SHAMIR });
        const records = await this.#wrapFirst(made.seal, rootKey);
        const transaction = store.begin();
        barrier.initialize(transaction, rootKey);
        this.#write(transaction, ROOT_KEY, records);
        this.#write(transaction, CONFIG, automatic ? automaticConfig(made.config, seals) : made.config);
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

  /**
   * Adds a share; with enough of them the server unseals. With `migrate`, they also carry out the migration that the
   * configuration asks for, on an unsealed server as well. Rejects with `InvalidRequest`.
   */
  async submitShare(share: string, { migrate: migrates = false } = {}): Promise<void> {
    await this.#alone(async () => {
      if (!this.initialized) throw new InvalidRequest('server is not yet initialized');
      const migration = migrates ? possibleMigration(this.#migrationParts) : undefined;
      if (!this.sealed && !migration) return;
      if (migrates && !migration)
        throw new InvalidRequest("can't perform a seal migration, no migration seal found");
      const shares = this.#shares();
      if (shares.progress > 0 && this.#collectsForMigration !== migrates)
        throw new InvalidRequest(
          'shares were given with and without migrate; reset, and give all of them again',
        );
      this.#collectsForMigration = migrates;
      const key = await shares.submit(share);
      if (key) await this.#useShares(key, migration);
    });
  }

  resetShares(): void {
    this.#collector?.reset();
  }

  /** Tries the automatic seals; rejects with the seals' reasons when none works. Nothing to do for Shamir. */
  async unsealAutomatically(): Promise<void> {
    const { seals, log } = this.#options;
    if (seals.enabled.length === 0 || !this.initialized || !this.sealed) return;
    if (this.#migration) {
      log.warn('the seal is to be migrated: unseal with -migrate');
      return;
    }
    const { rootKey, seal } = await unwrapWithAny(seals.all, this.#wrapped(), ({ name }, error) => {
      this.sealHealth.note(name, error);
      if (error) log.warn('a seal did not give the root key', { seal: name, error: error.message });
    });
    await this.#alone(async () => {
      if (!this.sealed) return;
      log.info('unsealing by an automatic seal', { seal: seal.name });
      await this.#unsealWith(rootKey);
    }).finally(() => rootKey.fill(0));
  }

  /** Other automatic seals count from now on; the root key is wrapped by them as soon as the server is unsealed. */
  useSeals(configured: readonly ConfiguredSeal[]): void {
    const names = configured.map(({ seal, disabled }) => (disabled ? `${seal.name} (disabled)` : seal.name));
    this.#options.log.info('other seals count from now on', { seals: names.join(', ') });
    this.#options.seals.replace(configured);
    this.sealHealth.update();
    this.refreshSeals();
  }

  /** Has every configured seal hold the root key, without anybody waiting for it. */
  refreshSeals(): void {
    const again = () => this.#refresh();
    const mine = (this.#refreshing ?? Promise.resolve()).then(again).catch((error) => {
      if (!(error instanceof Sealed))
        this.#options.log.error('the seals were not brought up to date', { error });
    });
    this.#refreshing = mine;
  }

  /** Resolves when no seal is being brought up to date any more. */
  async sealsRefreshed(): Promise<void> {
    await this.#refreshing;
  }

  /** Stops everything and overwrites the keys. */
  seal(): Promise<void> {
    return this.#alone(async () => {
      const unsealed = this.#unsealed;
      this.#unsealed = undefined;
      this.#collector?.reset();
      try {
        await unsealed?.stop();
      } finally {
        this.#options.barrier.seal();
      }
      if (unsealed) this.#options.log.info('sealed');
    });
  }

  /**
   * Closes all that is open, lets `replace` put other records in the place of all, and opens again what is there then. The
   * server stays sealed where the root key at hand does not fit them. Rejects with what a sealed server says.
   */
  reopen(replace: () => Promise<void>): Promise<void> {
    return this.#alone(async () => {
      const { store, barrier, log } = this.#options;
      const unsealed = this.#unsealed;
      if (!unsealed) throw this.sealedError();
      this.#unsealed = undefined;
      this.#collector?.reset();
      try {
        await unsealed.stop();
        await replace();
      } catch (error) {
        barrier.seal();
        throw error;
      }
      if (barrier.reload(store.begin())) await this.#start();
      else log.warn('sealed: the root key is not that of the records that are there now');
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
    const { enabled } = this.#options.seals;
    const automatic = config ? this.protection.hasRecovery : enabled.length > 0;
    const cluster = this.sealed ? undefined : this.cluster;
    return {
      type: config?.type ?? enabled[0]?.type ?? SHAMIR,
      initialized: config !== undefined,
      sealed: this.sealed,
      t: shares?.secret_threshold ?? 0,
      n: shares?.secret_shares ?? 0,
      progress: this.#collector?.progress ?? 0,
      nonce: this.#collector?.nonce ?? '',
      version: this.#options.version,
      build_date: this.#options.buildDate,
      migration: this.#migration !== undefined,
      ...(cluster ? { cluster_name: cluster.name, cluster_id: cluster.id } : {}),
      recovery_seal: automatic,
      storage_type: this.#options.storageType,
    };
  }

  /** Whether the root key is wrapped by every seal that is configured, and by no other. */
  get fullyWrapped(): boolean {
    if (!this.initialized) return false;
    const wanted = this.#options.seals.enabled.map(({ name }) => name);
    const names = this.#wrapped().map(({ seal }) => seal);
    const own = names.filter((name) => name !== RECOVERY && name !== SHAMIR);
    return own.length === wanted.length && wanted.every((name) => own.includes(name));
  }

  get #migrationParts() {
    const { seals, random, log } = this.#options;
    return { protection: this.protection, seals, random, log };
  }
  get #migration(): MigrationKind | undefined {
    return this.initialized ? pendingMigration(this.#migrationParts) : undefined;
  }

  /** The key that shares gave opens the root key, and so the server. */
  async #useShares(key: Buffer, migration: MigrationKind | undefined): Promise<void> {
    const { log } = this.#options;
    const shareKey = Buffer.from(key);
    try {
      if (migration && this.protection.unsettled)
        throw new InvalidRequest('unseal without migrate first: it is not settled which shares hold');
      const proof = await proveShares(this.#shares(), key, this.protection);
      if (!proof) return;
      const { rootKey, seal } = proof;
      seal.close();
      if (migration) {
        await migrate(migration, { shareKey, rootKey }, this.#migrationParts);
        this.#unsealed?.sharesChanged?.();
      } else if (this.#migration)
        log.warn('unsealed without the migration of the seal that the configuration asks for');
      if (this.sealed) await this.#unsealWith(rootKey);
      await this.protection.settle(proof);
      rootKey.fill(0);
    } finally {
      shareKey.fill(0);
    }
  }

  /** The root key under the seal of the shares (closed hereby) and every automatic seal, of which one at least must work. */
  async #wrapFirst(shareSeal: Seal, rootKey: Buffer): Promise<WrappedKey[]> {
    const { log } = this.#options;
    const seals = this.#options.seals.enabled;
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
    this.#collector?.reset();
    this.#options.log.info('unsealed');
    this.refreshSeals();
  }

  /** A seal that works can show that it has the root key, or be given it. */
  #sealChecked(check: SealCheck): void {
    this.#options.sealChecked?.(check);
    if (check.healthy) this.refreshSeals();
  }

  /** The seals are asked while others may go on; only what came of it is kept alone. */
  async #refresh(): Promise<void> {
    const { barrier, log } = this.#options;
    const seals = this.#options.seals.enabled;
    if (this.sealed || !this.protection.hasRecovery || seals.length === 0) return;
    const used = (name: string, error?: Error) => this.sealHealth.note(name, error);
    await barrier.withRootKey(async (rootKey) => {
      const before = this.#wrapped();
      const records = await renewedRecords({ seals, records: before, rootKey, log, used });
      const type = seals[0]?.type;
      if (!records && type === this.#config()?.type) return;
      await this.#alone(async () => {
        // A rekey has wrapped the new root key by every seal itself.
        if (this.sealed || !barrier.isRootKey(rootKey)) return;
        if (isDeepStrictEqual(this.#wrapped(), before)) await this.protection.keep(records ?? before, type);
        else this.refreshSeals();
      });
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#changing.then(work, work);
    this.#changing = mine.catch(() => {});
    return mine;
  }

  #shares(): ShareCollector {
    const { thresholds } = this.protection;
    // Rekeying may have changed them.
    if (!this.#collector || !isDeepStrictEqual(this.#collector.thresholds, thresholds)) {
      this.#collector?.reset();
      this.#collector = collectShares({ thresholds, random: this.#options.random });
    }
    return this.#collector;
  }
  #sharesConfig(): SealConfig | undefined {
    return this.#plain.read<SealConfig>(RECOVERY_CONFIG) ?? this.#config();
  }
  #config(): SealConfig | undefined {
    return this.#plain.read<SealConfig>(CONFIG);
  }
  #wrapped(): WrappedKey[] {
    return this.#plain.read<WrappedKey[]>(ROOT_KEY) ?? [];
  }

  #write(transaction: Transaction, key: string, value: unknown): void {
    transaction.put(key, Buffer.from(JSON.stringify(value)));
  }
}
