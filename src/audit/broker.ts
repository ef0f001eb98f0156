/**
 * The audit log: what was asked, by whom, and what came of it, in Vault's format. This folder owns the entries
 * (`record.ts` in, `entry.ts` out), the hiding of secrets in them, the devices they go to and the header
 * configuration. When to record, and that no reply leaves before its entries are written, is the pipeline's business.
 *
 * Blocking: a record counts as written when one device that should have it has it. A device that is slow, away or full
 * delays nothing as long as another one works; when none does, the wait is bounded (queue.ts) and ends in failure,
 * upon which the request must fail. Without any device, nothing is recorded and nothing waits. A record that every
 * filter turns away goes to the fallback device; without one it is, as documented, not recorded.
 */
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InternalFailure, InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { turn } from '../base/turn.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { AuditDeviceDeps, AuditDeviceType, AuditOptions } from './device.ts';
import { HeaderConfig } from './headers.ts';
import { AuditMetrics } from './measure.ts';
import { type DeviceRecord, OpenDevice } from './open-device.ts';
import { parseCommonOptions, unknownOptions } from './options.ts';
import type { AuditRecord } from './record.ts';

export interface Audit {
  /** Behind `sys/config/auditing/request-headers`. */
  readonly headers: HeaderConfig;
  /** Opens what is stored and closes what no longer is; also after another node changed it. One that cannot be opened stays, and is tried again. */
  load(session: Session): void;
  /**
   * Opens a device, writes a test entry to it and stores it. Rejects with `InvalidRequest`; then nothing has changed.
   * The warnings name options that nothing looks at.
   */
  enable(session: Session, device: NewAuditDevice): Promise<{ warnings: string[] }>;
  /**
   * At unseal: devices of the configuration file, as far as they are not there yet. Never rejects, so that one of them
   * cannot keep the server sealed: one that does not work is enabled all the same and tried again with each entry, which
   * keeps requests out while it is the only one; one whose type or options nobody understands is reported and left out.
   */
  declare(session: Session, devices: readonly NewAuditDevice[]): Promise<void>;
  /** Forgets a device and its salt; false when there is none. What it has yet to write goes out in the background. */
  disable(session: Session, path: string): boolean;
  /** Sorted by path. */
  list(): AuditDeviceInfo[];
  /** `hmac-sha256:…` as the device at `path` shows `input`. Throws `InvalidRequest` for an unknown path. */
  hash(path: string, input: string): string;
  /**
   * Takes an entry for every device, rendered now, written at the end of this turn of the event loop together with
   * whatever else comes in it. The promise is this record's own: it resolves when one of its devices has it and
   * rejects with `InternalFailure` when none could write it; undefined when no device wants it. Need not be awaited.
   */
  record(record: AuditRecord): Promise<void> | undefined;
  /**
   * A device failed or hangs: until that is over, a request should wait for its own entry before it does anything. While
   * all is well it need not, and at most what came in the moment of failure has been done and never recorded.
   */
  readonly faltering: boolean;
  /** Everything recorded so far and not yet written; undefined when there is nothing. Rejects if any of it cannot be written. */
  flushed(): Promise<void> | undefined;
  /** On SIGHUP: devices close and reopen their files and connections. */
  reload(): Promise<void>;
  /** On seal: writes what waits, closes the devices, overwrites the salts. */
  close(): Promise<void>;
}

export interface NewAuditDevice {
  readonly path: string;
  readonly type: string;
  readonly description?: string;
  readonly local?: boolean;
  readonly options?: AuditOptions;
}

/** As `sys/audit` lists it; options that may hold secrets are not shown. */
export interface AuditDeviceInfo {
  /** With trailing slash. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly local: boolean;
  readonly options: AuditOptions;
}

export interface AuditParts extends Omit<AuditDeviceDeps, 'log'> {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly registry: ReadonlyMap<string, AuditDeviceType>;
  readonly metrics: Metrics;
  /** `allow_audit_log_prefixing` of the configuration file. */
  readonly allowPrefix: boolean;
}

const RECORDS = 'core/audit/';
const PATH_LENGTH_MAX = 256;
const SALT_BYTES = 32;

export function openAudit(parts: AuditParts): Audit {
  return new Broker(parts);
}

/** Records of one turn that go to the same devices: they are written, or lost, together. */
interface Group {
  readonly devices: readonly OpenDevice[];
  readonly written: Promise<void>;
  requests: number;
  responses: number;
  resolve(): void;
  reject(error: Error): void;
}

class Broker implements Audit {
  readonly headers = new HeaderConfig();
  readonly #parts: AuditParts;
  readonly #metrics: AuditMetrics;
  #devices: OpenDevice[] = [];
  /** Paths whose device is just being opened. */
  readonly #opening = new Set<string>();
  /** This turn's groups by the devices they go to; empty between turns. */
  #groups: Group[] = [];
  readonly #unwritten = new Set<Promise<void>>();
  #unrecordedReported = false;

  constructor(parts: AuditParts) {
    this.#parts = parts;
    this.#metrics = new AuditMetrics(parts.metrics, 'audit.');
  }

  load(session: Session): void {
    this.headers.load(session);
    const stored = this.#storedRecords(session);
    const uuids = new Set(stored.map(({ uuid }) => uuid));
    for (const device of this.#devices) if (!uuids.has(device.record.uuid)) this.#remove(device);
    const known = new Set(this.#devices.map(({ record }) => record.uuid));
    for (const record of stored) {
      if (known.has(record.uuid)) continue;
      try {
        this.#devices.push(this.#open(record));
      } catch (error) {
        this.#parts.log.error('an audit device is left out: its type or options are not understood', {
          path: record.path,
          error,
        });
      }
    }
  }

  async enable(session: Session, device: NewAuditDevice): Promise<{ warnings: string[] }> {
    const open = this.#openNew(device);
    const { path, options, type } = open.record;
    this.#opening.add(path);
    try {
      await open.probe(this.#testRecord());
    } catch (error) {
      open.close().catch(() => {});
      throw new InvalidRequest(
        `sanity check failed; ${error instanceof Error ? error.message : 'unknown reason'}`,
      );
    } finally {
      this.#opening.delete(path);
    }
    this.#add(session, open);
    const unknown = unknownOptions(options, this.#type(type));
    return {
      warnings: unknown.map((name) => `the option ${JSON.stringify(name)} is not known and has no effect`),
    };
  }

  async declare(session: Session, devices: readonly NewAuditDevice[]): Promise<void> {
    const { log } = this.#parts;
    for (const device of devices) {
      if (this.#at(device.path)) continue;
      try {
        const open = this.#openNew(device);
        await open.probe(this.#testRecord()).catch((error) => {
          log.error('a declared audit device does not work yet', { path: device.path, error });
        });
        this.#add(session, open);
      } catch (error) {
        log.error('a declared audit device is left out', { path: device.path, error });
      }
    }
  }

  disable(session: Session, path: string): boolean {
    const device = this.#at(path);
    if (!device) return false;
    session.view(RECORDS).delete(device.record.uuid);
    this.#remove(device);
    this.#parts.log.info('disabled audit device', { path: device.record.path });
    return true;
  }

  list(): AuditDeviceInfo[] {
    const infos = this.#devices.map(({ record: { path, type, description, local, options } }) => {
      const hidden = this.#type(type).secretOptions ?? [];
      const shown = Object.entries(options).filter(([name]) => !hidden.includes(name));
      return { path, type, description, local, options: Object.fromEntries(shown) };
    });
    return infos.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  hash(path: string, input: string): string {
    const device = this.#at(path);
    if (!device) throw new InvalidRequest(`unknown audit backend ${JSON.stringify(normalisedPath(path))}`);
    return device.renderer.hash(input);
  }

  record(record: AuditRecord): Promise<void> | undefined {
    const devices = this.#devicesFor(record);
    if (devices.length === 0) return undefined;
    const nowMs = this.#parts.clock.now();
    for (const device of devices) device.add(record, nowMs);
    const group = this.#group(devices);
    if (record.type === 'request') group.requests++;
    else group.responses++;
    return group.written;
  }

  get faltering(): boolean {
    return !this.#devices.every(({ works }) => works);
  }

  flushed(): Promise<void> | undefined {
    const [first] = this.#unwritten;
    return this.#unwritten.size <= 1 ? first : Promise.all(this.#unwritten).then(() => {});
  }

  async reload(): Promise<void> {
    await Promise.all(
      this.#devices.map((device) =>
        device.reload().catch((error) => {
          this.#parts.log.error('an audit device could not be reopened', { path: device.record.path, error });
        }),
      ),
    );
  }

  async close(): Promise<void> {
    const devices = this.#devices;
    if (this.#groups.length > 0) this.#flush();
    this.#devices = [];
    this.headers.clear();
    await Promise.all(devices.map((device) => device.close().catch(() => {})));
  }

  #devicesFor(record: AuditRecord): readonly OpenDevice[] {
    if (this.#devices.every(({ common }) => !common.filter && !common.fallback)) return this.#devices;
    const takers = this.#devices.filter((device) => !device.common.fallback && device.wants(record));
    if (takers.length > 0) return takers;
    const fallback = this.#devices.filter(({ common }) => common.fallback);
    if (fallback.length === 0 && !this.#unrecordedReported) {
      this.#unrecordedReported = true;
      this.#parts.log.warn(
        'an audit entry passed no filter and there is no fallback device: it is not recorded',
      );
    }
    return fallback;
  }

  #group(devices: readonly OpenDevice[]): Group {
    if (this.#groups.length === 0) turn().then(() => this.#flush());
    const existing = this.#groups.find((group) => sameDevices(group.devices, devices));
    if (existing) return existing;
    const { promise: written, resolve, reject } = Promise.withResolvers<void>();
    const group: Group = { devices: [...devices], written, requests: 0, responses: 0, resolve, reject };
    this.#groups.push(group);
    this.#unwritten.add(written);
    // Also keeps a rejection that nobody waits for from ending the process.
    const forget = () => this.#unwritten.delete(written);
    written.then(forget, forget);
    return group;
  }

  #flush(): void {
    const { clock } = this.#parts;
    const fromMs = clock.monotonic();
    const groups = this.#groups;
    this.#groups = [];
    const writes = new Map<OpenDevice, Promise<void>>();
    for (const group of groups) {
      for (const device of group.devices) if (!writes.has(device)) writes.set(device, device.flush());
      Promise.any(group.devices.map((device) => writes.get(device))).then(
        () => {
          this.#metrics.written(group, clock.monotonic() - fromMs);
          group.resolve();
        },
        () => {
          this.#metrics.lost(group);
          group.reject(new InternalFailure('failed to audit: no audit device could record the request'));
        },
      );
    }
  }

  #at(path: string): OpenDevice | undefined {
    const wanted = normalisedPath(path);
    return this.#devices.find(({ record }) => record.path === wanted);
  }

  #remove(device: OpenDevice): void {
    if (this.#groups.length > 0) this.#flush();
    this.#devices = this.#devices.filter((other) => other !== device);
    device.close().catch((error) => {
      this.#parts.log.warn('an audit device did not close cleanly', { path: device.record.path, error });
    });
  }

  #storedRecords(session: Session): DeviceRecord[] {
    const view = session.view(RECORDS);
    const records: DeviceRecord[] = [];
    for (const key of view.keys('')) {
      try {
        const record = view.get<DeviceRecord>(key);
        if (record) records.push(record);
      } catch (error) {
        this.#parts.log.error('the record of an audit device cannot be read; it is left out', {
          record: key,
          error,
        });
      }
    }
    return records;
  }

  #newRecord({ path, type, description = '', local = false, options = {} }: NewAuditDevice): DeviceRecord {
    const { random } = this.#parts;
    return {
      path: checkedPath(path),
      type,
      description,
      local,
      options: { ...options },
      uuid: random.uuid(),
      salt: random.bytes(SALT_BYTES).toString('base64'),
    };
  }

  /** Checks a device that nobody has enabled yet. Throws `InvalidRequest`. */
  #openNew(device: NewAuditDevice): OpenDevice {
    const record = this.#newRecord(device);
    const { path } = record;
    const taken = this.#devices.some((other) => overlap(other.record.path, path));
    if (taken || this.#opening.has(path))
      throw new InvalidRequest(`path already in use at ${JSON.stringify(path)}`);
    const open = this.#open(record);
    if (open.common.fallback && this.#devices.some(({ common }) => common.fallback)) {
      throw new InvalidRequest('there is a fallback audit device already');
    }
    return open;
  }

  #add(session: Session, open: OpenDevice): void {
    const { uuid, path, type } = open.record;
    session.view(RECORDS).put(uuid, open.record);
    this.#devices.push(open);
    this.#parts.log.info('enabled audit device', { path, type });
  }

  #open(record: DeviceRecord): OpenDevice {
    const { allowPrefix, log } = this.#parts;
    const common = parseCommonOptions(record.options, { allowPrefix });
    const deps = { ...this.#parts, log: log.named(record.path.slice(0, -1)) };
    const measure = new AuditMetrics(this.#parts.metrics, `audit.${record.path}.`);
    const open = this.#type(record.type).configure(record.options, deps);
    return new OpenDevice({ record, common, open, headers: this.headers.audited, measure, deps });
  }

  #type(name: string): AuditDeviceType {
    const type = this.#parts.registry.get(name);
    if (!type) throw new InvalidRequest(`unknown backend type: ${JSON.stringify(name)}`);
    return type;
  }

  /** As Vault's, so that filters written for it know it. */
  #testRecord(): AuditRecord {
    return {
      type: 'request',
      request: { id: this.#parts.random.uuid(), operation: 'update', path: 'sys/audit/test' },
    };
  }
}

function normalisedPath(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

function checkedPath(path: string): string {
  const normalised = normalisedPath(path.trim());
  if (
    normalised.length > PATH_LENGTH_MAX ||
    !/^([\w.~-]+\/)+$/.test(normalised) ||
    /(^|\/)\.{1,2}\//.test(normalised)
  ) {
    throw new InvalidRequest('the path of an audit device must be names joined by slashes');
  }
  return normalised;
}

function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

function sameDevices(a: readonly OpenDevice[], b: readonly OpenDevice[]): boolean {
  return a.length === b.length && a.every((device, index) => device === b[index]);
}
