import type { Clock } from '../base/clock.ts';
import type { AuditDevice, AuditDeviceDeps, AuditOptions } from './device.ts';
import { createRenderer, type Renderer } from './entry.ts';
import { excludeFrom } from './exclude.ts';
import type { AuditedHeaders } from './headers.ts';
import type { AuditMetrics } from './measure.ts';
import type { CommonOptions } from './options.ts';
import { DeviceQueue } from './queue.ts';
import type { AuditRecord } from './record.ts';

/** A device as stored under `core/audit/`, by uuid. */
export interface DeviceRecord {
  /** With trailing slash. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly local: boolean;
  readonly options: AuditOptions;
  readonly uuid: string;
  /** Base64; keys the hashes in this device's entries, new with every enabling. */
  readonly salt: string;
}

export interface OpenDeviceParts {
  readonly record: DeviceRecord;
  readonly common: CommonOptions;
  readonly open: () => Promise<AuditDevice>;
  readonly headers: AuditedHeaders;
  readonly measure: AuditMetrics;
  readonly deps: AuditDeviceDeps;
}

/** One enabled device: its own options, salt, and queue, and this turn's lines. */
export class OpenDevice {
  readonly record: DeviceRecord;
  readonly common: CommonOptions;
  readonly renderer: Renderer;
  readonly #queue: DeviceQueue;
  readonly #clock: Clock;
  #lines: Buffer[] = [];
  #requests = 0;

  constructor({ record, common, open, headers, measure, deps }: OpenDeviceParts) {
    this.#clock = deps.clock;
    this.record = record;
    this.common = common;
    this.renderer = createRenderer(Buffer.from(record.salt, 'base64'), common, headers);
    this.#queue = new DeviceQueue({ open, clock: deps.clock, log: deps.log, measure });
  }

  /** Whether the device's filter lets the record through. Mount points are without their last slash, as the filters' documentation has them. */
  wants({ request }: AuditRecord): boolean {
    const { filter } = this.common;
    if (!filter) return true;
    const properties = new Map<string, string>([
      ['mount_point', request.mount?.point.replace(/\/$/, '') ?? ''],
      ['mount_type', request.mount?.type ?? ''],
      ['namespace', request.namespace?.path ?? ''],
      ['operation', request.operation],
      ['path', request.path],
    ]);
    return filter.matches(([name]) => properties.get(name!));
  }

  /** Renders the record now; it goes out with the next `flush`. */
  add(record: AuditRecord, nowMs: number): void {
    this.#lines.push(this.#line(record, nowMs));
    if (record.type === 'request') this.#requests++;
  }

  /** Hands over what was added; settles as `DeviceQueue.write`. */
  flush(): Promise<void> {
    const lines = this.#lines;
    const requests = this.#requests;
    this.#lines = [];
    this.#requests = 0;
    return this.#queue.write(lines, { requests, responses: lines.length - requests });
  }

  /** Shows that the device works: opens it and, unless the options say otherwise, writes `record`. */
  async probe(record: AuditRecord): Promise<void> {
    if (this.common.skipTest) return;
    await this.#queue.ready();
    if (this.wants(record)) {
      const line = this.#line(record, this.#clock.now());
      await this.#queue.write([line], { requests: 1, responses: 0 });
    }
  }

  /** Whether there is reason to think that the next record will be written. */
  get works(): boolean {
    return this.#queue.works;
  }

  reload(): Promise<void> {
    return this.#queue.reload();
  }

  async close(): Promise<void> {
    await this.#queue.close().finally(() => this.renderer.close());
  }

  /** As bytes at once: a text put together from hundreds of pieces, kept until the turn ends, is what garbage collection would spend its time on. */
  #line(record: AuditRecord, nowMs: number): Buffer {
    const { prefix, exclusions } = this.common;
    const entry = this.renderer.render(record, nowMs);
    return Buffer.from(`${prefix}${exclusions.length > 0 ? excludeFrom(entry, exclusions) : entry}\n`);
  }
}
