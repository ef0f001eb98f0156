/**
 * For unit tests of the pipeline and of the host's own mounts: a whole unsealed server in memory without its listeners,
 * an audit device that does what the test says, and a disk that can be held up.
 */
import type { Audit } from '../src/audit/broker.ts';
import type { AuditRecord } from '../src/audit/record.ts';
import { Barrier } from '../src/barrier/barrier.ts';
import { ManualClock } from '../src/base/clock.ts';
import type { UnknownRecord } from '../src/base/json.ts';
import { LogLevels, silentLogger } from '../src/base/logger.ts';
import { seededRandom } from '../src/base/random.ts';
import { turn } from '../src/base/turn.ts';
import type { EngineType } from '../src/engine/engine.ts';
import type { AuthReply } from '../src/engine/reply.ts';
import { PathTable } from '../src/engine/router.ts';
import { Lifecycle } from '../src/lifecycle/lifecycle.ts';
import { Seals } from '../src/lifecycle/seals.ts';
import { LOCKOUT_DEFAULTS } from '../src/lockouts/lockouts.ts';
import { openLocalLog } from '../src/log/local.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import { createMetricsPage } from '../src/metrics/page.ts';
import { TELEMETRY_DEFAULTS } from '../src/metrics/settings.ts';
import type { Domains, InFlight } from '../src/pipeline/exchange.ts';
import { createPipeline } from '../src/pipeline/index.ts';
import type { WireReply, WireRequest } from '../src/pipeline/wire.ts';
import { OVERLOAD_LIMITS_DEFAULT, OverloadGuard } from '../src/quotas/overload.ts';
import { openMemoryCopy } from '../src/store/memory.ts';
import { openStore } from '../src/store/open.ts';
import type { ServerFacts } from '../src/sys/parts.ts';
import { statusPaths } from '../src/sys/status.ts';
import { type OpenUnsealed, openUnsealed } from '../src/unsealed.ts';
import type { WrapInfo } from '../src/wrapping/wrapping.ts';
import { LIMITS } from './domains.ts';

/** Holds up whoever passes while it is shut. */
export class Gate {
  #waiting: PromiseWithResolvers<void> | undefined;
  shut(): void {
    this.#waiting ??= Promise.withResolvers();
  }
  open(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
  async pass(): Promise<void> {
    await this.#waiting?.promise;
  }
}

/** The audit log of a test: what was recorded, and how writing it goes. */
export class AuditTrail {
  readonly records: AuditRecord[] = [];
  readonly gate = new Gate();
  failing: Error | undefined;
  record(record: AuditRecord): Promise<void> {
    this.records.push(record);
    const written = this.gate.pass().then(() => {
      if (this.failing) throw this.failing;
    });
    written.catch(() => {});
    return written;
  }
}

export interface TestRequest {
  readonly method?: WireRequest['method'];
  readonly token?: string;
  readonly query?: UnknownRecord;
  readonly headers?: Record<string, string>;
  readonly address?: string;
}

export type TestNode = Awaited<ReturnType<typeof openNode>>;

export async function openNode({ engines = [] as readonly EngineType[] } = {}) {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const disk = new Gate();
  const copy = openMemoryCopy({ flush: (write) => disk.pass().then(write) });
  const localLog = openLocalLog({ copy });
  const store = openStore({ copy, log: localLog, fence: await localLog.lead() });
  const barrier = new Barrier({ clock, random });
  const metrics = createMetrics();
  const metricsPage = createMetricsPage(metrics, TELEMETRY_DEFAULTS, clock);
  const trail = new AuditTrail();
  let opened: OpenUnsealed | undefined;
  const lifecycle: Lifecycle = new Lifecycle({
    store,
    barrier,
    seals: new Seals(),
    open: () => {
      opened = openUnsealed({
        store,
        barrier,
        lifecycle,
        server: FACTS,
        metrics,
        metricsPage,
        telemetry: TELEMETRY_DEFAULTS,
        clock,
        random,
        log: silentLogger,
        logLevels: new LogLevels('error'),
        lockouts: () => LOCKOUT_DEFAULTS,
        declaredAudits: [],
        audit: { allowPrefix: false, environment: {} },
        engines,
      });
      return opened;
    },
    clock,
    random,
    log: silentLogger,
    clusterName: undefined,
    storageType: 'inmem',
    version: FACTS.version,
    buildDate: '',
  });
  const { keys, root_token: root } = await lifecycle.initialize({ secret_shares: 1, secret_threshold: 1 });
  await lifecycle.submitShare(keys![0]!);
  const audit = new Proxy(opened!.domains.audit, {
    get: (target, member: keyof Audit) =>
      member === 'record' ? (record: AuditRecord) => trail.record(record) : target[member],
  });
  const domains: Domains = { ...opened!.domains, audit };
  const inFlight = new Map<string, InFlight>();
  const overload = new OverloadGuard({
    limits: OVERLOAD_LIMITS_DEFAULT,
    load: {
      requestsInFlight: () => inFlight.size,
      revisions: () => ({ newest: store.revision, durable: store.durableRevision }),
    },
    clock,
    log: silentLogger,
  });
  const handle = createPipeline({
    domains: () => (lifecycle.sealed ? undefined : domains),
    statusPaths: new PathTable(
      statusPaths({
        lifecycle,
        clock,
        metricsPage,
        expiryPaused: () => false,
        apiAddress: '',
        clusterAddress: '',
      }),
    ),
    sealedError: () => lifecycle.sealedError(),
    inFlight,
    overload,
    clock,
    requestId: () => random.uuid(),
    metrics,
    namesClients: () => false,
    tracer: undefined,
    slowRequestMs: 1000,
    log: silentLogger,
  });
  /** Rejects with what `http/` would turn into an error reply. */
  const send = async (path: string, body?: UnknownRecord, request: TestRequest = {}): Promise<WireReply> =>
    handle(wireRequest(path, body, { token: root, ...request }));
  const call = async (path: string, body?: UnknownRecord, request: TestRequest = {}): Promise<Body> =>
    (await send(path, body, request)).body as unknown as Body;
  return { clock, disk, store, lifecycle, overload, domains, trail, inFlight, metrics, root, send, call };
}

/** The API's JSON, for tests that know which of it is there. */
export interface Body {
  readonly lease_id: string;
  readonly lease_duration: number;
  readonly renewable: boolean;
  readonly data: UnknownRecord;
  readonly auth: AuthReply;
  readonly wrap_info: WrapInfo;
  readonly warnings: readonly string[] | null;
}

const FACTS: ServerFacts = {
  version: '1.0.0',
  buildDate: '',
  startedAtMs: 0,
  limits: LIMITS,
  sanitizedConfig: {},
  apiAddress: '',
  clusterAddress: '',
  introspectionEndpoint: false,
  rawStorageEndpoint: false,
  inFlight: () => ({}),
  reload: async () => {},
  cors: { enabled: false, allowedOrigins: [], allowedHeaders: [], allowCredentials: false },
  uiHeaders: new Map(),
  monitorLog: () => () => {},
};

function wireRequest(path: string, body: UnknownRecord | undefined, request: TestRequest): WireRequest {
  return {
    method: request.method ?? (body ? 'POST' : 'GET'),
    path,
    query: request.query ?? {},
    headers: { ...(request.token ? { 'x-vault-token': request.token } : {}), ...request.headers },
    body,
    bytes: undefined,
    remote: { address: request.address ?? '127.0.0.1', port: 1 },
    clientCertificates: [],
    signal: new AbortController().signal,
    listener: {
      unauthenticatedMetrics: false,
      unauthenticatedRekey: true,
      unauthenticatedRootGeneration: true,
    },
    addReplyHeaders: () => {},
  };
}

/** Whether it is still undecided after everybody had a turn. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(
    () => (pending = false),
    () => (pending = false),
  );
  for (let i = 0; i < 20; i++) await turn();
  return pending;
}
