import { Agent as PlainAgent, request as requestPlain } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { exportRequest } from './otlp.ts';
import type { TracingSettings } from './settings.ts';
import type { Attributes, Span } from './trace.ts';

/** Spans that may wait; more are dropped and counted. */
const WAITING_MAX = 8192;
const BATCH_MAX = 512;
const DELAY_MS = 2000;
const DELAY_MS_MAX = 60_000;
const CLOSE_MS = 2000;
/** Of a collector's reply. */
const REPLY_BYTES_MAX = 64 * 1024;
const TRY_AGAIN = new Set([408, 429, 502, 503, 504]);

export interface ExporterParts {
  readonly settings: TracingSettings;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sends spans in batches, one at a time. A collector that is away costs the traces, nothing else. */
export class Exporter {
  readonly #parts: ExporterParts;
  readonly #resource: Attributes;
  readonly #agent: PlainAgent | TlsAgent;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #failures = 0;
  #closed = false;
  #sent = 0;
  #dropped = 0;

  constructor(parts: ExporterParts) {
    this.#parts = parts;
    const { settings, version } = parts;
    this.#resource = {
      'service.name': settings.serviceName,
      'service.version': version,
      'host.name': hostname(),
      'process.pid': process.pid,
      ...settings.resource,
    };
    const secure = settings.endpoint.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = secure
      ? new TlsAgent({ ...options, ...(settings.authority !== undefined && { ca: settings.authority }) })
      : new PlainAgent(options);
  }

  get stats(): { readonly sent: number; readonly dropped: number } {
    return { sent: this.#sent, dropped: this.#dropped };
  }

  add(spans: readonly Span[]): void {
    if (this.#closed || this.#waiting.length + spans.length > WAITING_MAX) {
      this.#dropped += spans.length;
      return;
    }
    this.#waiting.push(...spans);
    if (this.#waiting.length >= BATCH_MAX && this.#failures === 0) this.#sendNow();
    else this.#sendLater();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { clock } = this.#parts;
    const timeUp = new Promise<void>((resolve) => clock.after(CLOSE_MS, resolve));
    await Promise.race([this.#drain(), timeUp]);
    this.#cancelTimer?.();
    this.#dropped += this.#waiting.length;
    this.#waiting = [];
    this.#agent.destroy();
  }

  async #drain(): Promise<void> {
    await this.#sending;
    const failures = this.#failures;
    while (this.#waiting.length > 0 && this.#failures === failures) {
      this.#sendNow();
      await this.#sending;
    }
  }

  #sendLater(): void {
    if (this.#cancelTimer || this.#sending) return;
    const delayMs = Math.min(DELAY_MS * 2 ** this.#failures, DELAY_MS_MAX);
    this.#cancelTimer = this.#parts.clock.after(delayMs, () => {
      this.#cancelTimer = undefined;
      this.#sendNow();
    });
  }

  #sendNow(): void {
    if (this.#sending || this.#waiting.length === 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sending = this.#send(this.#waiting.splice(0, BATCH_MAX)).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0 && !this.#closed) this.#sendLater();
    });
  }

  async #send(batch: Span[]): Promise<void> {
    const { settings, version, log } = this.#parts;
    const body = JSON.stringify(exportRequest(batch, { resource: this.#resource, version }));
    try {
      const status = await post(body, settings, this.#agent);
      if (TRY_AGAIN.has(status)) throw new Error(`the collector answered ${status}`);
      this.#failures = 0;
      if (status < 300) this.#sent += batch.length;
      else this.#lose(batch, `the collector answered ${status}`);
    } catch (error) {
      if (this.#failures++ === 0) log.warn('traces cannot be sent; it is tried again', { error });
      if (batch.length + this.#waiting.length <= WAITING_MAX) this.#waiting.unshift(...batch);
      else this.#dropped += batch.length;
    }
  }

  #lose(batch: readonly Span[], reason: string): void {
    this.#dropped += batch.length;
    this.#parts.log.warn('traces were refused', { spans: batch.length, reason });
  }
}

/** The status of the reply. Redirects are not followed: the headers may hold credentials. */
function post(body: string, settings: TracingSettings, agent: PlainAgent | TlsAgent): Promise<number> {
  const { endpoint, headers, timeoutMs } = settings;
  const request = endpoint.protocol === 'https:' ? requestTls : requestPlain;
  return new Promise((resolve, reject) => {
    const sent = request(
      endpoint,
      {
        method: 'POST',
        agent,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...headers,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
        },
      },
      (reply) => {
        let bytes = 0;
        reply.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > REPLY_BYTES_MAX) reply.destroy(new Error('the reply of the collector is too long'));
        });
        reply.on('error', reject);
        reply.on('end', () => resolve(reply.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
