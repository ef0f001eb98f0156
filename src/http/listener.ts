import { type BlockList, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import type { Handle } from '../pipeline/wire.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import type { CorsSettings } from './cors.ts';
import { errorReply } from './errors.ts';
import { API_PREFIX, ApiExchange, type ExchangeContext } from './exchange.ts';
import { type ListenerConfig, type ListenerSettings, listenerSettings } from './listener-config.ts';
import { parseProxyHeader } from './preface.ts';
import { addressList, listHolds, type Remote, remoteOf } from './remote.ts';
import type { RequestHead } from './request-head.ts';
import { ResponseHeads } from './response-head.ts';
import { bind, type ListenerAddress } from './socket-address.ts';
import { loadTls, type TlsMaterial, tlsFingerprint } from './tls.ts';

export interface ListenerDependencies {
  readonly handle: Handle;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly cors: () => CorsSettings | undefined;
  readonly uploadPaths: ReadonlySet<string>;
  readonly replied: ((status: number) => void) | undefined;
  readonly requestLevel: () => LogLevel | undefined;
}

/** The first byte of every TLS connection: a handshake record. */
const TLS_HANDSHAKE = 0x16;
/** Word for word what Go's server says; clients show it to their users. */
const HTTP_ON_TLS_PORT = 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n';
const EMPTY: Buffer = Buffer.alloc(0);

/** One bound address: accepts connections, peels PROXY headers and TLS off, and keeps track of all that is open. */
export class Listener {
  readonly #config: ListenerConfig;
  readonly #settings: ListenerSettings;
  readonly #logger: Logger;
  readonly #heads: ResponseHeads;
  readonly #context: ConnectionContext;
  readonly #proxies: BlockList | undefined;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  #tlsFingerprint = '';
  /** Every accepted socket, whatever it has become. */
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  /** Sockets that have not said yet what they are, with the time by which they must. */
  readonly #silent = new Map<Socket, number>();
  /** Whom a balancer speaks for, by the balancer's address and port: TLS sockets do not show what they wrap. */
  readonly #proxied = new Map<string, Remote>();
  #heldBytes = 0;
  #draining = false;
  #nextDropWarningMs = 0;
  /** The time of the last sweep, one sweep late at most. Deadlines are set from it. */
  #sweptMs: number;
  #address: ListenerAddress | undefined;

  static async open(config: ListenerConfig, dependencies: ListenerDependencies): Promise<Listener> {
    const fingerprint = await tlsFingerprint(config);
    const secure = config.type === 'tcp' && !config.tlsDisable;
    const listener = new Listener(config, dependencies, secure ? await loadTls(config) : undefined);
    listener.#tlsFingerprint = fingerprint;
    listener.#address = await bind(listener.#server, config);
    listener.#server.on('error', (error) => listener.#logger.error('listener failed', { error }));
    return listener;
  }

  private constructor(
    config: ListenerConfig,
    dependencies: ListenerDependencies,
    material: TlsMaterial | undefined,
  ) {
    this.#config = config;
    this.#settings = listenerSettings(config);
    this.#logger = dependencies.logger;
    this.#sweptMs = dependencies.clock.monotonic();
    this.#proxies = addressList(config.proxyProtocolAuthorizedAddrs ?? []);
    if (config.proxyProtocolBehavior && config.proxyProtocolBehavior !== 'use_always' && !this.#proxies) {
      throw new InvalidRequest(
        'proxy_protocol_authorized_addrs is required with this proxy_protocol_behavior',
      );
    }
    const { clock, logger } = dependencies;
    const custom = config.customResponseHeaders;
    this.#heads = new ResponseHeads({ secure: material !== undefined, custom, clock, logger });
    this.#context = this.#connectionContext(dependencies);
    this.#tls = material && this.#tlsServer(material);
    // Under TLS the end of the socket must end the session, or a client that leaves within the handshake lingers.
    const options = {
      allowHalfOpen: !this.#tls,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 15_000,
    };
    this.#server = createServer(options, (socket) => this.#accept(socket));
    if (this.#settings.connectionsMax > 0) this.#server.maxConnections = this.#settings.connectionsMax;
    this.#server.on('drop', () => this.#onDrop());
  }

  get address(): ListenerAddress {
    return this.#address!;
  }

  /** Whether a stanza is the one that this listener was opened from. */
  isOf(config: ListenerConfig): boolean {
    return config.type === this.#config.type && config.address === this.#config.address;
  }

  /** Enforces the deadlines of everything that waits. */
  sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const connection of this.#connections) connection.sweep(nowMs);
    for (const [socket, deadlineMs] of this.#silent) if (nowMs >= deadlineMs) socket.destroy();
  }

  /**
   * Reads the certificate files again if one has changed, or always when `force` is set. A pair that does not work
   * leaves the old one in place and is logged; open connections keep what they began with.
   */
  async reload(force: boolean): Promise<void> {
    if (!this.#tls) return;
    const fingerprint = await tlsFingerprint(this.#config);
    if (!force && fingerprint === this.#tlsFingerprint) return;
    this.#tlsFingerprint = fingerprint;
    try {
      const { options, serial, notAfter } = await loadTls(this.#config);
      this.#tls.setSecureContext(options);
      this.#logger.info('TLS certificate loaded', { address: this.address.url, serial, notAfter });
    } catch (error) {
      this.#logger.error('TLS certificate not reloaded, the old one stays in use', { error });
    }
  }

  /** Takes up what may change while the listener is open; the rest of the stanza waits for a restart. */
  reconfigure(config: ListenerConfig): void {
    this.#heads.customise(config.customResponseHeaders, this.#logger);
  }

  /** Stops accepting and lets requests at hand finish; resolves when nothing is open any more. */
  drain(): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    for (const socket of this.#silent.keys()) socket.destroy();
    return closed;
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connectionContext(dependencies: ListenerDependencies): ConnectionContext {
    const settings = this.#settings;
    const heads = this.#heads;
    const exchanges: ExchangeContext = { ...dependencies, settings, heads };
    return {
      settings,
      nowMs: () => this.#sweptMs,
      begin: (connection, head) => new ApiExchange(exchanges, connection, head),
      takesUpload: (head) => isUpload(head, dependencies.uploadPaths),
      refuse: ({ socket }, error) => {
        const body = `${JSON.stringify(errorReply(error).body)}\n`;
        const head = heads.render({
          status: error.status,
          minorVersion: 1,
          keepAlive: false,
          contentType: 'application/json',
          length: Buffer.byteLength(body),
          headers: [],
        });
        socket.write(head + body);
      },
      closed: (connection) => this.#connections.delete(connection),
      hold: (bytes) => {
        this.#heldBytes += bytes;
        return this.#heldBytes <= settings.heldBytesMax;
      },
    };
  }

  #tlsServer(material: TlsMaterial): TlsServer {
    const config = this.#config;
    const server = createTlsServer({
      ...material.options,
      ALPNProtocols: ['http/1.1'],
      allowHalfOpen: true,
      handshakeTimeout: Math.min(this.#settings.readHeaderTimeoutMs, 2 ** 31 - 1),
      requestCert: !config.tlsDisableClientCerts,
      rejectUnauthorized: config.tlsRequireAndVerifyClientCert ?? false,
    });
    server.on('secureConnection', (socket) => {
      const remote = remoteOf(socket);
      this.#serve(socket, this.#proxied.get(remoteKey(remote)) ?? remote);
    });
    server.on('tlsClientError', (error, socket) => {
      this.#logger.debug('TLS handshake failed', { error, remote: socket.remoteAddress });
      socket.destroy();
    });
    return server;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#silent.delete(socket);
    });
    if (this.#tls || this.#config.proxyProtocolBehavior) this.#awaitPreface(socket);
    else this.#serve(socket, remoteOf(socket));
  }

  /** Once a minute: a flood of connections should not become one of log lines. */
  #onDrop(): void {
    if (this.#sweptMs < this.#nextDropWarningMs) return;
    this.#nextDropWarningMs = this.#sweptMs + 60_000;
    const { connectionsMax } = this.#settings;
    this.#logger.warn('connections refused: too many are open', {
      address: this.address.url,
      connectionsMax,
    });
  }

  #serve(socket: Socket, remote: Remote): void {
    const connection = new Connection(socket, remote, this.#context);
    this.#connections.add(connection);
    if (this.#draining) connection.drain();
  }

  /** Waits for the bytes that tell a PROXY header, TLS and plain HTTP apart, and puts back what is not its own. */
  #awaitPreface(socket: Socket): void {
    const peer = remoteOf(socket);
    const isProxy = this.#speaksProxy(peer);
    if (isProxy === 'denied') {
      socket.destroy();
      return;
    }
    this.#silent.set(socket, this.#sweptMs + this.#settings.readHeaderTimeoutMs);
    let bytes = EMPTY;
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      bytes = Buffer.concat([bytes, chunk]);
      try {
        const preface = isProxy ? readPreface(bytes, peer) : { remote: peer, rest: bytes };
        if (!preface || (this.#tls && preface.rest.length === 0)) return;
        socket.off('readable', onReadable);
        this.#silent.delete(socket);
        this.#proceed(socket, isProxy === 'trusted' ? preface.remote : peer, preface.rest);
      } catch (error) {
        this.#logger.debug('connection refused', { error, remote: peer.address });
        socket.destroy();
      }
    };
    socket.on('readable', onReadable);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => {
      if (this.#silent.has(socket)) socket.destroy();
    });
  }

  #proceed(socket: Socket, remote: Remote, rest: Buffer): void {
    if (this.#tls && rest[0] !== TLS_HANDSHAKE) {
      socket.end(HTTP_ON_TLS_PORT);
      socket.resume();
      // Not a connection, so the sweep has to know it as one that must come to its end.
      this.#silent.set(socket, this.#sweptMs + 2000);
      return;
    }
    if (rest.length > 0) socket.unshift(rest);
    if (!this.#tls) {
      this.#serve(socket, remote);
      return;
    }
    const peer = remoteOf(socket);
    if (remote !== peer && remoteKey(remote) !== remoteKey(peer)) {
      this.#proxied.set(remoteKey(peer), remote);
      socket.on('close', () => this.#proxied.delete(remoteKey(peer)));
    }
    this.#tls.emit('connection', socket);
  }

  /** Whether a peer's PROXY header is looked for at all, and then believed. */
  #speaksProxy(peer: Remote): 'trusted' | 'ignored' | 'denied' | undefined {
    const behavior = this.#config.proxyProtocolBehavior;
    if (!behavior) return undefined;
    if (behavior === 'use_always' || listHolds(this.#proxies!, peer.address)) return 'trusted';
    return behavior === 'deny_unauthorized' ? 'denied' : 'ignored';
  }
}

/** The bytes after the PROXY header, if there is one; undefined while it is incomplete. */
function readPreface(bytes: Buffer, peer: Remote): { remote: Remote; rest: Buffer } | undefined {
  const header = parseProxyHeader(bytes);
  if (header === 'incomplete') return undefined;
  if (!header) return { remote: peer, rest: bytes };
  return { remote: header.remote ?? peer, rest: bytes.subarray(header.length) };
}

function remoteKey(remote: Remote): string {
  return `${remote.address} ${remote.port}`;
}

/** Only the plain spelling of a path; any other is read under the usual limits and means the same. */
function isUpload({ method, target, framing }: RequestHead, paths: ReadonlySet<string>): boolean {
  if (method !== 'POST' && method !== 'PUT') return false;
  if (framing.kind === 'length' && framing.bytes === 0) return false;
  return target.startsWith(API_PREFIX) && paths.has(target.slice(API_PREFIX.length));
}
