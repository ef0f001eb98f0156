/**
 * A node in this process for the harnesses of what has gone wrong in systems like this: reached over real HTTP, with a
 * clock that a test may move, an audit file, a server log that is kept, and one mount of every type there is.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { Agent, request as sendRequest } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Clock, ManualClock, systemClock } from '../../src/base/clock.ts';
import { createLogger, LogLevels } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { EngineType } from '../../src/engine/engine.ts';
import type { Domains } from '../../src/pipeline/exchange.ts';
import { OVERLOAD_LIMITS_DEFAULT } from '../../src/quotas/overload.ts';
import { openServer, type RunningServer, type ServerSettings } from '../../src/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../services/folder.ts';
import type { Answer } from '../services/http.ts';

export interface NodeOptions {
  /** Time stands still until `pass`. */
  readonly manualClock?: boolean;
  /** On disk, so that it outlives `restart`; else in memory. */
  readonly onDisk?: boolean;
  /** Whether an audit file is enabled from the start; it is unless this says otherwise. */
  readonly audit?: boolean;
  readonly engines?: readonly EngineType[];
  readonly settings?: Partial<ServerSettings>;
  readonly shares?: number;
  readonly threshold?: number;
}

export interface Sent {
  /** JSON unless it is text or bytes. */
  readonly body?: unknown;
  /** The root token unless given; '' sends none. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const LEASE_TTL_SECONDS = 768 * 3600;
const SETTINGS: Omit<ServerSettings, 'storage'> = {
  listeners: [{ type: 'tcp', address: '127.0.0.1:0', tlsDisable: true }],
  seals: [],
  clusterName: undefined,
  apiAddress: 'http://127.0.0.1',
  clusterAddress: '',
  defaultLeaseTtl: LEASE_TTL_SECONDS,
  maxLeaseTtl: LEASE_TTL_SECONDS,
  introspectionEndpoint: true,
  rawStorageEndpoint: false,
  allowAuditPrefix: false,
  // A clock that is moved by hand looks like an event loop that hangs.
  overload: { ...OVERLOAD_LIMITS_DEFAULT, disabled: true },
  sanitizedConfig: {},
  environment: {},
};
const PATCH_TYPE = 'application/merge-patch+json';

export class FailureNode {
  readonly clock: Clock;
  readonly folder: string;
  rootToken = '';
  keys: readonly string[] = [];
  /** Where requests go that do not say otherwise. */
  namespace = '';
  #options: NodeOptions;
  readonly #temporary: TemporaryFolder;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #log: string[] = [];
  #auditRead = 0;
  #server: RunningServer | undefined;

  private constructor(options: NodeOptions, temporary: TemporaryFolder) {
    this.#options = options;
    this.#temporary = temporary;
    this.folder = temporary.path;
    this.clock = options.manualClock ? new ManualClock() : systemClock;
  }

  /** Started, initialised and unsealed. */
  static async start(options: NodeOptions = {}): Promise<FailureNode> {
    const node = new FailureNode(options, await temporaryFolder('failures'));
    try {
      await node.#open();
      await node.#initialise();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  get server(): RunningServer {
    if (!this.#server) throw new Error('the node does not run');
    return this.#server;
  }
  get domains(): Domains {
    const domains = this.server.domains();
    if (!domains) throw new Error('the node is sealed');
    return domains;
  }
  get address(): string {
    return this.server.addresses[0]!;
  }
  get auditFile(): string {
    return join(this.folder, 'audit.log');
  }
  get storageFolder(): string {
    return join(this.folder, 'data');
  }
  auditLog(): string {
    return existsSync(this.auditFile) ? readFileSync(this.auditFile, 'utf8') : '';
  }
  /** What was written since the last call. */
  newAuditEntries(): AuditEntry[] {
    const file = openSync(this.auditFile, 'r');
    const bytes = Buffer.alloc(fstatSync(file).size - this.#auditRead);
    readSync(file, bytes, 0, bytes.length, this.#auditRead);
    closeSync(file);
    this.#auditRead += bytes.length;
    return bytes
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditEntry);
  }
  serverLog(): string {
    return this.#log.join('');
  }

  /** Sends `/v1/<path>` as it stands, whatever its spelling. */
  request(
    method: string,
    path: string,
    { body, token = this.rootToken, headers }: Sent = {},
  ): Promise<Answer> {
    const payload =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array
        ? body
        : JSON.stringify(body);
    const { hostname, port } = new URL(this.address);
    const options = {
      agent: this.#agent,
      hostname,
      port,
      method,
      path: `/v1/${path}`,
      headers: {
        ...(token === '' ? {} : { 'X-Vault-Token': token }),
        ...(method === 'PATCH' ? { 'Content-Type': PATCH_TYPE } : {}),
        ...(this.namespace === '' ? {} : { 'X-Vault-Namespace': this.namespace }),
        ...(payload === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(payload)) }),
        ...headers,
      },
      timeout: 30_000,
    };
    return new Promise((resolve, reject) => {
      const sent = sendRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text),
          });
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${path.slice(0, 100)}`)));
      sent.on('error', reject);
      sent.end(payload);
    });
  }

  /** The reply's JSON; throws with the reply when it is no success. */
  async ok(method: string, path: string, sent: Sent = {}): Promise<ReturnType<Answer['json']>> {
    const answer = await this.request(method, path, sent);
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.text === '' ? {} : answer.json();
  }

  /** A token with a policy of these rules (HCL). */
  async tokenWith(rules: string, wanted: Record<string, unknown> = {}): Promise<string> {
    const policy = `made-${systemRandom.base62(10).toLowerCase()}`;
    await this.ok('POST', `sys/policies/acl/${policy}`, { body: { policy: rules } });
    const { auth } = await this.ok('POST', 'auth/token/create', { body: { policies: [policy], ...wanted } });
    return auth.client_token;
  }

  /** Mounts every type that can be mounted, at its own name; `kv` in both versions. */
  async mountEverything(): Promise<void> {
    const { mounts } = this.domains;
    for (const { type, singleton } of mounts.types('secret')) {
      if (!singleton) await this.ok('POST', `sys/mounts/${type}`, { body: { type } });
    }
    for (const { type, singleton } of mounts.types('auth')) {
      if (!singleton) await this.ok('POST', `sys/auth/${type}`, { body: { type } });
    }
    await this.ok('POST', 'sys/mounts/secret', { body: { type: 'kv', options: { version: '2' } } });
  }

  /** Lets time pass on a manual clock, and what it sets going come to an end. */
  async pass(ms: number): Promise<void> {
    if (!(this.clock instanceof ManualClock)) throw new Error('only a manual clock can be moved');
    this.clock.advance(ms);
    // Connections that were idle all that time are being closed: the next request needs a new one.
    this.#agent.destroy();
    await settle();
  }

  /** The same, but nothing that fell due has run yet: no clean-up, above all. */
  sleep(ms: number): void {
    if (!(this.clock instanceof ManualClock)) throw new Error('only a manual clock can be moved');
    this.clock.skip(ms);
    this.#agent.destroy();
  }

  /** Expiry goes on, after `passUnseen`. */
  goOn(): void {
    this.domains.leases.start();
  }

  /** Seals and unseals: everything is read anew, in the same process. */
  async reseal(): Promise<void> {
    await this.server.lifecycle.seal();
    await this.unseal();
  }

  async unseal(): Promise<void> {
    for (const key of this.keys.slice(0, this.#options.threshold ?? 1))
      await this.server.lifecycle.submitShare(key);
  }

  /** Ends the server; its files stay for `restart`. */
  async end(): Promise<void> {
    this.#agent.destroy();
    await this.#server?.stop();
    this.#server = undefined;
  }

  /** On the same files, with `between` done to them. */
  async restart({
    between,
    ...changes
  }: {
    between?: () => Promise<void>;
  } & Pick<NodeOptions, 'engines' | 'settings'> = {}): Promise<void> {
    await this.end();
    await between?.();
    this.#options = { ...this.#options, ...changes };
    await this.#open();
    await this.unseal();
  }

  async stop(): Promise<void> {
    try {
      await this.end();
    } finally {
      await this.#temporary.remove();
    }
  }

  async #open(): Promise<void> {
    const { onDisk, engines, settings } = this.#options;
    const levels = new LogLevels('trace');
    const write = (line: string) => void this.#log.push(line);
    const storage = onDisk ? { type: 'file', path: this.storageFolder } : { type: 'inmem', path: undefined };
    this.#server = await openServer(
      // While a test moves time by hand, no commit can come to its end: that is no overload.
      {
        ...SETTINGS,
        storage,
        overload: { ...OVERLOAD_LIMITS_DEFAULT, disabled: this.#options.manualClock ?? false },
        ...settings,
      },
      {
        clock: this.clock,
        random: systemRandom,
        log: createLogger({ level: 'trace', format: 'standard', write, now: () => this.clock.now() }, levels),
        logLevels: levels,
        monitorLog: () => () => {},
        reloadProcess: async () => {},
        ...(engines ? { engines } : {}),
      },
    );
  }

  async #initialise(): Promise<void> {
    const { shares = 1, threshold = 1, audit = true } = this.#options;
    const made = await this.server.lifecycle.initialize({
      secret_shares: shares,
      secret_threshold: threshold,
    });
    this.rootToken = made.root_token;
    this.keys = made.keys_base64 ?? [];
    await this.unseal();
    if (audit)
      await this.ok('POST', 'sys/audit/file', {
        body: { type: 'file', options: { file_path: this.auditFile } },
      });
  }
}

export interface AuditEntry {
  readonly type: 'request' | 'response';
  readonly error?: string;
  readonly request: { readonly path: string; readonly operation: string; readonly id: string };
}

/** What a moved clock set going comes to its end: turns of the event loop, and a moment for commits. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await pause(1);
}
