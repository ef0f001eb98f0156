/**
 * For unit tests of the domains: an unsealed store in memory, and mounts, tokens, leases and wrapping over it, put
 * together as the composition root does. Opened again on the same disk it is the server after a crash.
 */
import { Barrier } from '../src/barrier/barrier.ts';
import { openSession, type Session, type SessionSource } from '../src/barrier/session.ts';
import { ManualClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/logger.ts';
import { seededRandom } from '../src/base/random.ts';
import { turn } from '../src/base/turn.ts';
import type { EngineType } from '../src/engine/engine.ts';
import { Leases } from '../src/leases/leases.ts';
import { openLocalLog } from '../src/log/local.ts';
import { createMetrics } from '../src/metrics/metrics.ts';
import type { MountClass } from '../src/mounts/entry.ts';
import { Mounts } from '../src/mounts/mounts.ts';
import type { WorkParts } from '../src/mounts/work.ts';
import { Namespaces } from '../src/namespaces/namespaces.ts';
import { Quotas } from '../src/quotas/quotas.ts';
import { MemoryDisk, openMemoryCopy } from '../src/store/memory.ts';
import { openStore } from '../src/store/open.ts';
import { Tokens } from '../src/tokens/tokens.ts';
import { Wrapping } from '../src/wrapping/wrapping.ts';

const DAY_SECONDS = 86_400;
/** Seconds; Vault's. */
export const LIMITS = { defaultLeaseTtl: 32 * DAY_SECONDS, maxLeaseTtl: 32 * DAY_SECONDS };

export interface DomainsOptions {
  readonly engines?: readonly EngineType[];
  readonly disk?: MemoryDisk;
  readonly clock?: ManualClock;
  readonly seed?: number;
}

export type TestDomains = Awaited<ReturnType<typeof openDomains>>;

export async function openDomains(options: DomainsOptions = {}) {
  const { disk = new MemoryDisk(), clock = new ManualClock(), engines = [] } = options;
  const random = seededRandom(options.seed ?? 1);
  const { store, barrier } = await openBarrier(disk, clock);
  const log = silentLogger;
  const source: SessionSource = {
    store,
    barrier,
    beforeApply: (within, writes) => quotas.leaseCounts.note(within, writes),
  };
  const session = (): Session => openSession(source);
  const quotas = new Quotas({
    clock,
    random,
    openSession: session,
    stored: (key) => store.begin().get(key) !== undefined,
    namespacePath: (id) => namespaces.byId(id)?.path ?? '',
    mountOf: (within, namespaceId, path) =>
      mounts.table(within, namespaceId).match(path)?.mount.info.path ?? '',
    log: silentLogger,
  });
  const work: WorkParts = { clock, random, log, generatePassword: () => 'generated' };
  const registry = new Map<MountClass, EngineType[]>();
  for (const type of engines) registry.set(type.class, [...(registry.get(type.class) ?? []), type]);
  const namespaces = new Namespaces({ random, log });
  const mounts = new Mounts({ registry, namespaces, limits: LIMITS, clock, random, log });
  const tokens: Tokens = new Tokens({
    clock,
    random,
    log,
    opaque: {
      seal: (purpose, bytes) => barrier.sealOpaque(purpose, bytes),
      open: (purpose, bytes) => barrier.openOpaque(purpose, bytes),
    },
    leases: () => leases,
    leaseRefusal: (within, wanted) => quotas.leaseCounts.refusalIn(within, wanted),
    leaseCreated: (within, made) => quotas.leaseCreated(within, made),
    openSession: session,
    cleared: (within, tokenKey) => wrapping.clear(within, tokenKey),
  });
  const leases: Leases = new Leases({
    openSession: session,
    mountByUuid: (within, place) => mounts.byUuid(within, place),
    revokeToken: (within, token) => tokens.revokeLeased(within, token),
    metrics: createMetrics(),
    work,
    clock,
    random,
    log,
  });
  const wrapping = new Wrapping({ tokens, clock });
  const first = session();
  if (first.view('').get('core/token-salt') === undefined) tokens.initialize(first);
  quotas.start(first);
  tokens.start(first);
  tokens.resume(first);
  namespaces.load(first);
  mounts.load(first);
  leases.start();
  first.apply();
  await first.settled();
  return {
    disk,
    clock,
    random,
    store,
    barrier,
    session,
    work,
    namespaces,
    mounts,
    tokens,
    leases,
    quotas,
    wrapping,
    settle,
  };
}

const ROOT_KEY = Buffer.alloc(32, 7);

export async function openBarrier(disk: MemoryDisk, clock: ManualClock) {
  const copy = openMemoryCopy({ disk });
  const log = openLocalLog({ copy });
  const store = openStore({ copy, log, fence: await log.lead() });
  const barrier = new Barrier({ clock, random: seededRandom(99) });
  const first = store.begin();
  if (!barrier.isInitialized(first)) barrier.initialize(first, ROOT_KEY);
  await store.durable(first.apply());
  barrier.unseal(store.begin(), ROOT_KEY);
  return { store, barrier };
}

/** Lets commits and background work come to rest. */
export async function settle(turns = 40): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}
