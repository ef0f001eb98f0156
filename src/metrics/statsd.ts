import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket as TcpSocket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Family, Labels, Metrics } from './metrics.ts';
import type { SinkSettings } from './settings.ts';
import { type ShownAs, shownFamilies } from './shown.ts';
import { bucketMs, type Timing } from './timing.ts';

export interface SinkParts {
  readonly metrics: Metrics;
  readonly shown: ShownAs;
  readonly settings: SinkSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sends what changed since the last time. */
export interface Sink {
  flush(): void;
  close(): void;
}

export function openSink(parts: SinkParts): Sink {
  const { settings, log } = parts;
  const lines = new Changes(parts);
  const transport = new Transport(settings, parts.clock, log.named(settings.kind));
  return {
    // What nobody can take yet is not lost: it has grown more by the next time.
    flush() {
      if (transport.ready()) transport.send(lines.next());
    },
    close: () => transport.close(),
  };
}

/** The numbers as statsd's lines: counters by what they grew, durations with the rate that says how many were alike. */
class Changes {
  readonly #parts: SinkParts;
  readonly #counters = new Map<string, number>();
  readonly #buckets = new WeakMap<Timing, Float64Array>();

  constructor(parts: SinkParts) {
    this.#parts = parts;
  }

  next(): string[] {
    return shownFamilies(this.#parts.metrics, this.#parts.shown).flatMap((family) => this.#lines(family));
  }

  #lines(family: Family): string[] {
    if (family.kind === 'timing')
      return family.series.flatMap(({ labels, timing }) =>
        this.#grown(timing).map(([ms, times]) =>
          this.#line(family.name, labels, ms, times > 1 ? `ms|@${Number((1 / times).toPrecision(6))}` : 'ms'),
        ),
      );
    if (family.kind === 'gauge')
      return family.series.map(({ labels, value }) =>
        this.#line(this.#gaugeName(family.name), labels, value, 'g'),
      );
    return family.series.flatMap(({ labels, value }) => {
      const key = JSON.stringify([family.name, labels]);
      const by = value - (this.#counters.get(key) ?? 0);
      this.#counters.set(key, value);
      return by > 0 ? [this.#line(family.name, labels, by, 'c')] : [];
    });
  }

  #grown(timing: Timing): [ms: number, times: number][] {
    const before = this.#buckets.get(timing);
    const now = timing.buckets.slice();
    this.#buckets.set(timing, now);
    const grown: [number, number][] = [];
    now.forEach((count, bucket) => {
      const times = count - (before?.[bucket] ?? 0);
      if (times > 0) grown.push([Number(bucketMs(bucket).toPrecision(4)), times]);
    });
    return grown;
  }

  /** The host comes after the first part of the name, as Vault has it. */
  #gaugeName(name: string): string {
    const { settings, shown } = this.#parts;
    if (settings.gaugeHost === undefined || !name.startsWith(`${shown.prefix}.`)) return name;
    return `${shown.prefix}.${settings.gaugeHost}${name.slice(shown.prefix.length)}`;
  }

  /** DogStatsD has tags; without them the labels' values are part of the name. */
  #line(name: string, labels: Labels, value: number, type: string): string {
    const { settings, shown } = this.#parts;
    const all = { ...labels, ...shown.labels };
    if (settings.kind !== 'dogstatsd')
      return `${[name, ...Object.values(all)].map(plain).join('.')}:${value}|${type}`;
    const tags = [...settings.tags, ...Object.entries(all).map((pair) => pair.map(plain).join(':'))];
    return `${plain(name)}:${value}|${type}${tags.length > 0 ? `|#${tags.join(',')}` : ''}`;
  }
}

/** Without what separates things in a line. */
function plain(text: string): string {
  return text.replaceAll(/[\s:|@#,]/g, '_');
}

/** What fits into a packet everywhere. */
const PACKET_BYTES_MAX = 1400;
/** What may wait for a slow receiver; more is dropped. */
const WAITING_BYTES_MAX = 1024 * 1024;
const OPEN_AGAIN_MS = 5000;

/** UDP or, to statsite, TCP. A receiver that is away costs the numbers, nothing else. */
class Transport {
  readonly #settings: SinkSettings;
  readonly #clock: Clock;
  readonly #log: Logger;
  #udp: UdpSocket | undefined;
  #tcp: TcpSocket | undefined;
  #ready = false;
  #openAgainAtMs = 0;
  #complained = false;

  constructor(settings: SinkSettings, clock: Clock, log: Logger) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#open();
  }

  /** Opens it where it is not open, for the next time. */
  ready(): boolean {
    if (!this.#ready) this.#open();
    return this.#ready;
  }

  send(lines: readonly string[]): void {
    if (this.#tcp && this.#tcp.writableLength < WAITING_BYTES_MAX)
      this.#tcp.write(lines.map((line) => `${line}\n`).join(''));
    if (this.#udp) for (const packet of packets(lines)) this.#udp.send(packet);
  }

  close(): void {
    this.#ready = false;
    this.#openAgainAtMs = Number.POSITIVE_INFINITY;
    this.#udp?.close();
    this.#tcp?.destroy();
    this.#udp = undefined;
    this.#tcp = undefined;
  }

  #open(): void {
    if (this.#udp || this.#tcp || this.#clock.monotonic() < this.#openAgainAtMs) return;
    const { kind, host, port } = this.#settings;
    const ready = () => {
      this.#ready = true;
      this.#complained = false;
    };
    if (kind === 'statsite') {
      this.#tcp = connect({ host, port }, ready);
      this.#tcp.on('error', (error) => this.#failed(error));
      this.#tcp.on('close', () => this.#failed(new Error('the connection was closed')));
      this.#tcp.unref();
    } else {
      this.#udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      this.#udp.on('error', (error) => this.#failed(error));
      this.#udp.connect(port, host, ready);
      this.#udp.unref();
    }
  }

  #failed(error: Error): void {
    // A packet that nobody took (ECONNREFUSED) says nothing of the next one.
    if (this.#udp && this.#ready) return;
    const open = this.#udp ?? this.#tcp;
    if (!open) return;
    this.#ready = false;
    this.#udp = undefined;
    this.#tcp = undefined;
    this.#openAgainAtMs = this.#clock.monotonic() + OPEN_AGAIN_MS;
    if ('destroy' in open) open.destroy();
    else open.close();
    if (this.#complained) return;
    this.#complained = true;
    this.#log.warn('metrics cannot be sent; it is tried again', { error });
  }
}

function packets(lines: readonly string[]): string[] {
  const all: string[] = [];
  let packet = '';
  for (const line of lines) {
    if (packet !== '' && Buffer.byteLength(packet) + Buffer.byteLength(line) >= PACKET_BYTES_MAX) {
      all.push(packet);
      packet = '';
    }
    packet += packet === '' ? line : `\n${line}`;
  }
  return packet === '' ? all : [...all, packet];
}
