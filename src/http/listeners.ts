/**
 * The wire: listeners, TLS, limits, requests in, JSON out. This folder owns HTTP/1.1 itself, the spelling of paths,
 * and the one table from outcome to status (errors.ts). It does not know tokens, policies or namespaces: whatever a
 * request means is the pipeline's, which gets it parsed once and never sees the bytes again.
 *
 * HTTP is read by our own strict parser instead of node:http, whose parser knows a fixed set of methods without the
 * API's LIST and SCAN (docs/decisions/0002-http-parser.md).
 */
import type { Clock } from '../base/clock.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import type { Handle } from '../pipeline/wire.ts';
import type { CorsSettings } from './cors.ts';
import { Listener, type ListenerDependencies } from './listener.ts';
import type { ListenerConfig } from './listener-config.ts';
import type { ListenerAddress } from './socket-address.ts';

export interface ListenOptions {
  readonly listeners: readonly ListenerConfig[];
  readonly handle: Handle;
  readonly logger: Logger;
  readonly clock: Clock;
  /** `sys/config/cors` as it stands at each request; undefined is disabled. */
  readonly cors?: () => CorsSettings | undefined;
  /** Paths after `/v1/` to which a POST or PUT sends something long: the pipeline gets the body as it comes, without the usual limit. */
  readonly uploadPaths?: ReadonlySet<string>;
  readonly replied?: (status: number) => void;
  /** The level at which requests are logged when they are answered; undefined: they are not. */
  readonly requestLevel?: () => LogLevel | undefined;
}

export interface OpenListeners {
  /** In the order of the configuration. */
  readonly addresses: readonly ListenerAddress[];
  /**
   * Reads the certificates again (SIGHUP), and takes up the custom response headers of the configuration if that was
   * read again too. Never rejects: a certificate that does not work is logged and the old one stays.
   */
  reload(configs?: readonly ListenerConfig[]): Promise<void>;
  /**
   * Stops accepting, lets requests at hand finish for `graceMs` milliseconds, then cuts what is left. Streams that
   * never end by themselves (sys/monitor) should be ended by who feeds them, or they take the whole time.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

const SWEEP_MS = 500;
const CERTIFICATE_CHECK_MS = 10_000;

/** Binds every listener, or none. Throws `InvalidRequest` naming the address or parameter that does not work. */
export async function openListeners(options: ListenOptions): Promise<OpenListeners> {
  const { handle, clock } = options;
  const logger = options.logger.named('http');
  const dependencies: ListenerDependencies = {
    handle,
    clock,
    logger,
    cors: options.cors ?? (() => undefined),
    uploadPaths: options.uploadPaths ?? new Set(),
    replied: options.replied,
    requestLevel: options.requestLevel ?? (() => undefined),
  };
  const listeners: Listener[] = [];
  try {
    for (const config of options.listeners) listeners.push(await Listener.open(config, dependencies));
  } catch (error) {
    await closeAll(listeners, 0, clock);
    throw error;
  }
  const stopSweep = every(clock, SWEEP_MS, () => {
    const nowMs = clock.monotonic();
    for (const listener of listeners) listener.sweep(nowMs);
  });
  const reload = async (force: boolean): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.reload(force)));
  };
  const stopCertificates = every(clock, CERTIFICATE_CHECK_MS, () => void reload(false));
  return {
    addresses: listeners.map((listener) => listener.address),
    async reload(configs = []) {
      for (const listener of listeners) {
        const config = configs.find((one) => listener.isOf(one));
        if (config) listener.reconfigure(config);
      }
      await reload(true);
    },
    async close({ graceMs }) {
      stopCertificates();
      await closeAll(listeners, graceMs, clock);
      stopSweep();
    },
  };
}

async function closeAll(listeners: readonly Listener[], graceMs: number, clock: Clock): Promise<void> {
  const closed = Promise.all(listeners.map((listener) => listener.drain()));
  const cut = (): void => {
    for (const listener of listeners) listener.destroy();
  };
  if (graceMs <= 0) cut();
  const cancel = clock.after(graceMs, cut);
  await closed;
  cancel();
}

/** Runs `work` again and again, `ms` apart, until the returned function is called. */
function every(clock: Clock, ms: number, work: () => void): () => void {
  const again = (): void => {
    work();
    cancel = clock.after(ms, again);
  };
  let cancel = clock.after(ms, again);
  return () => cancel();
}
