/**
 * Snapshots of everything: taking one of a store that moves on, proving and staging one that is to take the place of all,
 * and what a server waits for after that. The file itself is snapshot-file/; who may do any of this is the pipeline's.
 *
 * A record's value is encrypted wherever it is; its name is in the clear in the file as in the store. The file as a whole
 * is held together by a code over all its checksums, by a key that only servers with these records' keyring can make.
 */
import type { Barrier } from '../barrier/barrier.ts';
import { KEYRING_KEY } from '../barrier/keyring.ts';
import { type Clock, rfc3339 } from '../base/clock.ts';
import { InvalidRequest, QuotaExceeded, Unavailable } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { FORMAT, FORMAT_VERSION, SnapshotInvalid, type SnapshotMeta } from '../snapshot-file/format.ts';
import { type ReadSnapshot, readSnapshot, type SnapshotSink } from '../snapshot-file/read.ts';
import { writeSnapshot } from '../snapshot-file/write.ts';
import type { StagedRecords, Store } from '../store/store.ts';
import { inLists } from './lists.ts';
import { markRestored, putRestored, type Restored, readRestored } from './restored.ts';
import { stageRecords } from './stage.ts';

export interface SnapshotsOptions {
  store: Store;
  barrier: Pick<Barrier, 'codeBy'>;
  /** What a snapshot says of the server it was taken from. */
  facts(): Pick<SnapshotMeta, 'version' | 'cluster_id' | 'cluster_name' | 'seal'>;
  clock: Clock;
  log: Logger;
}

/** Each holds a past state of the store, which therefore cannot use that space again. */
const OPEN_MAX = 4;
const PURPOSE = 'snapshot';
/** A rekey may be under way in memory that is not on disk yet. */
const KEYRING_TRIES = 5;

export interface OpenSnapshot {
  readonly meta: SnapshotMeta;
  /** Must be iterated, to its end or not: it holds what it reads. */
  readonly body: AsyncGenerator<Buffer, void, undefined>;
}

/** A snapshot that was read whole and may take the place of everything. */
export interface StagedSnapshot {
  readonly meta: SnapshotMeta;
  /** Whether it opens with the keys that this server has now. */
  readonly own: boolean;
  readonly records: StagedRecords;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  #open = 0;
  #staging = false;
  /** Waits for `adopt`. If that never comes, because nobody could be told, the next one takes its place. */
  #staged: StagedSnapshot | undefined;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /** Everything acknowledged so far, as a file. Rejects with `QuotaExceeded` for too many at once. */
  async take(): Promise<OpenSnapshot> {
    const { store, barrier, clock, facts } = this.#options;
    for (let tries = 0; tries < KEYRING_TRIES; tries++) {
      await store.durable(store.revision);
      if (this.#open >= OPEN_MAX) throw new QuotaExceeded('too many snapshots are being taken at once');
      const snapshot = store.snapshot();
      const keyring = snapshot.get(KEYRING_KEY);
      const copy = keyring && Buffer.from(keyring);
      const key = copy && barrier.codeBy(copy, PURPOSE, '');
      if (!copy || !key) {
        snapshot.records.return();
        continue;
      }
      const createdAtMs = clock.now();
      const meta: SnapshotMeta = {
        format: FORMAT,
        format_version: FORMAT_VERSION,
        ...facts(),
        created_at: rfc3339(createdAtMs),
        revision: snapshot.revision,
        key_term: key.term,
      };
      const seal = (digest: string) => {
        const made = barrier.codeBy(copy, PURPOSE, digest);
        if (!made)
          throw new Unavailable('the root key was replaced while the snapshot was taken; take it again');
        return { algorithm: 'HMAC-SHA256' as const, key_term: made.term, mac: made.code.toString('base64') };
      };
      this.#open += 1;
      const records = inLists(snapshot.records, clock, () => {
        this.#open -= 1;
      });
      return { meta, body: writeSnapshot({ meta, records, seal, createdAtMs }) };
    }
    throw new Unavailable('the keys are being replaced; take the snapshot again');
  }

  /**
   * Reads a whole file and stages its records with a mark that they were restored; nothing that is served changes.
   * Rejects with `InvalidRequest` for a file that is damaged, forged, or of other keys than this server's; those last
   * pass with `force`, and are proved when the server is unsealed with them. One at a time.
   */
  async stage(source: AsyncIterable<Uint8Array>, options: { force: boolean }): Promise<StagedSnapshot> {
    if (this.#staging) throw new InvalidRequest('another snapshot is being restored');
    this.#staging = true;
    try {
      this.#staged?.records.discard();
      this.#staged = undefined;
      this.#staged = await this.#stage(source, options);
      return this.#staged;
    } finally {
      this.#staging = false;
    }
  }

  /** Puts it in the place of everything. What is in memory of the records before is the caller's to replace. */
  async adopt(staged: StagedSnapshot): Promise<void> {
    if (this.#staged !== staged) throw new InvalidRequest('another snapshot is being restored');
    this.#staged = undefined;
    await this.#options.store.replace(staged.records);
  }

  async #stage(source: AsyncIterable<Uint8Array>, { force }: { force: boolean }): Promise<StagedSnapshot> {
    const { store, clock } = this.#options;
    const records = await store.stage();
    try {
      const { read, keyring } = await this.#read(source, records);
      const own = this.#prove(read, keyring);
      if (!own && !force) {
        throw new InvalidRequest(
          'the snapshot was taken under other keys than those of this server: by another cluster, or before its root key was replaced; restore it with force, and unseal with the keys of then',
        );
      }
      const { meta, digest, seal } = read;
      const restored: Restored = {
        restored_at: rfc3339(clock.now()),
        snapshot: meta,
        unproved: own ? null : { digest, seal },
      };
      await markRestored(records, restored);
      return { meta, own, records };
    } catch (error) {
      records.discard();
      throw error;
    }
  }

  /** Reads a file of this server's own keys to be looked into, beside what is served. Rejects as `stage`. */
  async load(source: AsyncIterable<Uint8Array>): Promise<StagedSnapshot> {
    const records = await this.#options.store.stage();
    try {
      const { read, keyring } = await this.#read(source, records);
      if (!this.#prove(read, keyring)) {
        throw new InvalidRequest(
          'the snapshot was taken under other keys than those of this server, so nothing of it can be read here',
        );
      }
      return { meta: read.meta, own: true, records };
    } catch (error) {
      records.discard();
      throw error;
    }
  }

  /** At each unsealing: restored records that nobody could prove before are now, and never again. Throws when they are forged. */
  proveRestored(): void {
    const transaction = this.#options.store.begin();
    const restored = readRestored(transaction);
    if (!restored || restored === 'damaged' || !restored.unproved) return;
    const { snapshot, unproved } = restored;
    const keyring = transaction.get(KEYRING_KEY);
    const read = { meta: snapshot, ...unproved };
    if (keyring && this.#prove(read, keyring)) {
      // Once is enough, and the keyring may have another key the next time.
      putRestored(transaction, { ...restored, unproved: null });
      transaction.apply();
      return;
    }
    throw new InvalidRequest(
      'the snapshot that was restored by force was not made by a server with these keys: it is forged, and is not served',
    );
  }

  async #read(source: AsyncIterable<Uint8Array>, records: StagedRecords) {
    let keyring: Uint8Array | undefined;
    const stage = stageRecords(records);
    const sink: SnapshotSink = {
      async records(list) {
        const found = list.find(({ key }) => key === KEYRING_KEY);
        if (found) keyring = Buffer.from(found.value);
        await stage.add(list);
      },
    };
    const read = await readSnapshot(source, sink);
    await stage.end();
    if (!keyring) throw new SnapshotInvalid('the snapshot has no keyring: nobody could open it');
    return { read, keyring };
  }

  /** False where its keyring does not open here. Throws when it does and the code is not one of its key. */
  #prove(
    { meta, digest, seal }: Pick<ReadSnapshot, 'meta' | 'digest' | 'seal'>,
    keyring: Uint8Array,
  ): boolean {
    const made = this.#options.barrier.codeBy(keyring, PURPOSE, digest);
    if (!made) return false;
    if (made.term !== meta.key_term || !equalSecrets(made.code.toString('base64'), seal.mac)) {
      this.#options.log.error('a snapshot was refused: its code is not one of this cluster', {
        cluster_id: meta.cluster_id,
        created_at: meta.created_at,
      });
      throw new SnapshotInvalid('the snapshot is forged: its seal was not made by this cluster');
    }
    return true;
  }
}
