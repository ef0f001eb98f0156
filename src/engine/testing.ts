import { ManualClock } from '../base/clock.ts';
import { NotFound } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { KeyedLock } from '../base/keyed-lock.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { type Random, seededRandom } from '../base/random.ts';
import { createOrUpdate, findOperation, parseOperation, runOperation } from './dispatch.ts';
import type {
  Caller,
  Engine,
  EngineType,
  MountInfo,
  Operation,
  RequestContext,
  WorkContext,
} from './engine.ts';
import type { LoginRenewal, TokenParameters } from './login.ts';
import { MemoryRecords } from './memory-view.ts';
import type { LeaseGrant, Reply } from './reply.ts';
import { PathTable } from './router.ts';

/**
 * One engine opened over memory, for its tests: requests go the way the pipeline sends them, without policy, audit,
 * leases and wrapping. A request that throws leaves nothing behind, as in the pipeline.
 */
export interface Harness {
  readonly engine: Engine;
  readonly mount: MountInfo;
  readonly records: MemoryRecords;
  readonly clock: ManualClock;
  readonly random: Random;
  /** The reply with its warnings, undefined for 204. Throws what the pipeline would turn into an error reply. */
  request(
    operation: Operation,
    path: string,
    data?: UnknownRecord,
    changes?: RequestChanges,
  ): Promise<Reply | undefined>;
  read(path: string, data?: UnknownRecord): Promise<Reply | undefined>;
  write(path: string, data?: UnknownRecord): Promise<Reply | undefined>;
  delete(path: string, data?: UnknownRecord): Promise<Reply | undefined>;
  /** The names; empty when the list is 404. */
  list(path: string, data?: UnknownRecord): Promise<readonly string[]>;
  /** The same mount for another caller or with other permissions. */
  as(changes: Pick<HarnessOptions, 'caller' | 'allowed'>): Harness;
  /** Runs the engine's periodic work once, all of it or by name. */
  runPeriodic(name?: string): Promise<void>;
  renew(
    lease: LeaseGrant,
    incrementSeconds?: number,
  ): Promise<Pick<LeaseGrant, 'ttl' | 'maxTtl'> | undefined>;
  revoke(lease: LeaseGrant): Promise<void>;
  renewLogin(login: LoginRenewal): Promise<TokenParameters | undefined>;
  forgetToken(tokenKey: string): void;
  /** Closes the engine and opens it again over the same records, as after a restart or a tune. */
  reopen(changes?: Partial<MountInfo>): Promise<Harness>;
  close(): Promise<void>;
}

export interface HarnessOptions {
  options?: Readonly<Record<string, string>>;
  mount?: Partial<MountInfo>;
  records?: MemoryRecords;
  clock?: ManualClock;
  random?: Random;
  log?: Logger;
  /** null is a request without a token. */
  caller?: Caller | null;
  /** What `context.allowed` answers; everything by default. */
  allowed?: (operation: Operation, path: string) => boolean;
  /** Runs after each `persist`; a throw is a crash at that moment. */
  persisted?: () => void;
  generatePassword?: (policyName: string | undefined) => string;
}

/** What a single request may have that is not its path and data. */
export type RequestChanges = Partial<
  Pick<RequestContext['request'], 'remoteAddress' | 'headers' | 'wrapTtl'>
>;

export const testCaller: Caller = {
  accessor: 'accessor-of-tester',
  displayName: 'token-tester',
  entityId: 'entity-of-tester',
  policies: ['default', 'tester'],
  metadata: {},
  tokenKey: 'token-key-of-tester',
  tokenType: 'service',
};

export function openEngine(type: EngineType, options: HarnessOptions = {}): Harness {
  return new EngineHarness(type, options);
}

class EngineHarness implements Harness {
  readonly engine: Engine;
  readonly mount: MountInfo;
  readonly records: MemoryRecords;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly #type: EngineType;
  readonly #options: HarnessOptions;
  readonly #table: PathTable;
  readonly #locks = new KeyedLock();
  #requests = 0;

  constructor(type: EngineType, options: HarnessOptions, engine?: Engine) {
    this.#type = type;
    this.#options = options;
    this.records = options.records ?? new MemoryRecords();
    this.clock = options.clock ?? new ManualClock();
    this.random = options.random ?? seededRandom(1);
    this.mount = mountOf(type, options);
    this.engine =
      engine ??
      type.open({
        mount: this.mount,
        clock: this.clock,
        random: this.random,
        log: options.log ?? silentLogger,
      });
    this.#table = new PathTable(this.engine.paths);
  }

  async request(
    operation: Operation,
    path: string,
    data: UnknownRecord = {},
    changes: RequestChanges = {},
  ): Promise<Reply | undefined> {
    const parsed = parseOperation(findOperation(this.#table, path, operation), data);
    const warnings: string[] = [];
    const context = this.#requestContext(operation, path, data, changes, warnings);
    return this.#transact(async () => {
      if (parsed.input) parsed.path?.loginName?.(context, parsed.input);
      if (parsed.input) parsed.path?.loginRole?.(context, parsed.input);
      const known = operation === 'update' ? createOrUpdate(parsed, context) : operation;
      const request = { ...context.request, operation: known };
      const reply = await runOperation(parsed, { ...context, request });
      const all = [...warnings, ...(reply?.warnings ?? [])];
      return all.length > 0 ? { ...reply, warnings: all } : reply;
    });
  }

  read(path: string, data?: UnknownRecord): Promise<Reply | undefined> {
    return this.request('read', path, data);
  }
  write(path: string, data?: UnknownRecord): Promise<Reply | undefined> {
    return this.request('update', path, data);
  }
  delete(path: string, data?: UnknownRecord): Promise<Reply | undefined> {
    return this.request('delete', path, data);
  }
  async list(path: string, data?: UnknownRecord): Promise<readonly string[]> {
    try {
      const reply = await this.request('list', path, data);
      return (reply?.data?.keys as readonly string[] | undefined) ?? [];
    } catch (error) {
      if (error instanceof NotFound) return [];
      throw error;
    }
  }

  as(changes: Pick<HarnessOptions, 'caller' | 'allowed'>): Harness {
    const { records, clock, random } = this;
    const options = { ...this.#options, mount: this.mount, records, clock, random, ...changes };
    return new EngineHarness(this.#type, options, this.engine);
  }

  async runPeriodic(name?: string): Promise<void> {
    for (const work of this.engine.periodic ?? []) {
      if (name === undefined || work.name === name) {
        await this.#transact(async () => work.run(this.#workContext()));
      }
    }
  }

  renew(lease: LeaseGrant, incrementSeconds = 0): Promise<Pick<LeaseGrant, 'ttl' | 'maxTtl'> | undefined> {
    const ttl = lease.ttl || this.mount.defaultLeaseTtl;
    const issuedAtMs = this.clock.now();
    return this.#transact(async () =>
      this.#leaseKind(lease).renew?.(this.#workContext(), {
        internal: stored(lease.internal),
        ttl,
        issuedAtMs,
        incrementSeconds,
        expiresAtMs: issuedAtMs + ttl * 1000,
      }),
    );
  }

  revoke(lease: LeaseGrant): Promise<void> {
    return this.#transact(async () =>
      this.#leaseKind(lease).revoke(this.#workContext(), stored(lease.internal)),
    );
  }

  renewLogin(login: LoginRenewal): Promise<TokenParameters | undefined> {
    return this.#transact(async () => this.engine.renewLogin?.(this.#workContext(), stored(login)));
  }

  forgetToken(tokenKey: string): void {
    this.engine.forgetToken?.(this.#workContext(), tokenKey);
    this.records.apply();
  }

  async reopen(changes: Partial<MountInfo> = {}): Promise<Harness> {
    await this.close();
    const { records, clock, random } = this;
    const mount = { ...this.mount, ...changes };
    return new EngineHarness(this.#type, { ...this.#options, mount, records, clock, random });
  }

  async close(): Promise<void> {
    await this.engine.close?.();
  }

  async #transact<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.records.apply();
      return result;
    } catch (error) {
      this.records.discard();
      throw error;
    }
  }

  #leaseKind(lease: LeaseGrant) {
    const kind = this.engine.leases?.[lease.kind];
    if (!kind) throw new Error(`the engine has no lease kind ${lease.kind}`);
    return kind;
  }

  #workContext(): WorkContext {
    return {
      view: this.records.view(),
      mount: this.mount,
      clock: this.clock,
      random: this.random,
      log: this.#options.log ?? silentLogger,
      persist: async () => {
        this.records.apply();
        this.#options.persisted?.();
      },
      locked: (key, work) => this.#locks.run(key, work),
      generatePassword: this.#options.generatePassword ?? (() => this.random.base62(20)),
    };
  }

  #requestContext(
    operation: Operation,
    path: string,
    data: UnknownRecord,
    changes: RequestChanges,
    warnings: string[],
  ): RequestContext {
    const { caller, allowed } = this.#options;
    return {
      ...this.#workContext(),
      request: {
        id: `request-${++this.#requests}`,
        path,
        operation,
        data,
        remoteAddress: '127.0.0.1',
        headers: {},
        wrapTtl: 0,
        ...changes,
      },
      caller: caller === null ? undefined : (caller ?? testCaller),
      warn: (message) => warnings.push(message),
      allowed: allowed ?? (() => true),
    };
  }
}

function mountOf(type: EngineType, { options, mount }: HarnessOptions): MountInfo {
  return {
    path: type.class === 'auth' ? `auth/${type.type}/` : `${type.type}/`,
    type: type.type,
    class: type.class,
    uuid: '11111111-2222-4333-8444-555555555555',
    accessor: `${type.type}_01234567`,
    options: options ?? {},
    defaultLeaseTtl: 2_764_800,
    maxLeaseTtl: 2_764_800,
    local: false,
    namespace: { id: 'root', path: '' },
    ...mount,
  };
}

/** What is kept for later work comes back as JSON gives it. */
function stored<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
