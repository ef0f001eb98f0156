/**
 * Leases: what was handed out, until when, and how to take it back. Owns registration, renewal, revocation and expiry of
 * leased credentials and of tokens' lives; how a credential is revoked is its engine's, how a token ends is tokens/'.
 */
import type { Session } from '../barrier/session.ts';
import { persist } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import { InternalFailure, InvalidRequest, Unavailable } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { turn } from '../base/turn.ts';
import type { LeaseGrant } from '../engine/reply.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import type { MountPlace } from '../mounts/records.ts';
import { type WorkParts, workContext } from '../mounts/work.ts';
import { idSuffix, namespaceIdIn, ROOT_ID } from '../namespaces/namespace.ts';
import type { MadeLease } from '../quotas/quotas.ts';
import { grantTtl, type Lease, placeOf, type SecretLease, type TokenLease } from './lease.ts';
import {
  deleteJob,
  dueLeases,
  getJob,
  getLease,
  irrevocableIds,
  jobIds,
  leaseIds,
  type RevocationJob,
  saveJob,
  saveLease,
  tokenLeaseIds,
} from './records.ts';
import { Revoker } from './revoker.ts';

export interface LeasesOptions {
  openSession(): Session;
  mountByUuid(session: Session, place: MountPlace): OpenMount | undefined;
  /** A credential's lease was made. */
  created?(session: Session, made: MadeLease): void;
  /** Ends a token and everything under it. */
  revokeToken(session: Session, token: TokenLease): Promise<void> | void;
  work: WorkParts;
  metrics: Metrics;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Leases of a bulk revocation ended in one go: a few milliseconds. */
const JOB_SLICE = 32;
/** Slices that may wait for their commit while the next one is ended. */
const COMMITS_AHEAD = 16;
const COUNT_SLICE = 4096;
/** Outside revocations of one job under way; the revoker bounds them by mount as well. */
const OUTSIDE_AT_ONCE = 64;

export class Leases {
  readonly #options: LeasesOptions;
  readonly #revoker: Revoker;
  readonly #running = new Map<string, Promise<Error[]>>();
  #stopped = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#revoker = new Revoker(options);
  }

  /** Begins expiry and goes on with bulk revocations that a stop interrupted. */
  start(): void {
    this.#stopped = false;
    const session = this.#options.openSession();
    for (const id of jobIds(session)) {
      try {
        const job = getJob(session, id);
        if (job) void this.#launch(job);
      } catch (error) {
        this.#options.log.error('a bulk revocation cannot go on: its record cannot be read', { error });
      }
    }
    this.#revoker.start();
  }
  /** Touches the store no more; does not wait for outside systems. What is unfinished goes on at the next start. */
  stop(): void {
    this.#stopped = true;
    this.#revoker.stop();
  }

  /** Registers a credential just made; the caller's reply carries id and ttl. */
  register(
    session: Session,
    issue: {
      mount: OpenMount;
      path: string;
      grant: LeaseGrant;
      tokenKey: string | undefined;
      /** Of who asked for it; '' for none. */
      entityId?: string;
    },
  ): { id: string; ttl: number; renewable: boolean; warnings: string[] } {
    const { mount, grant } = issue;
    const nowMs = this.#options.clock.now();
    const maxTtl = grant.maxTtl ?? 0;
    const granted = grantTtl({
      nowMs,
      issuedAtMs: nowMs,
      ttl: grant.ttl ?? 0,
      defaultTtl: mount.info.defaultLeaseTtl,
      maxTtls: [maxTtl, mount.info.maxLeaseTtl],
    });
    const id = `${issue.path}/${this.#options.random.base62(24)}${idSuffix(mount.info.namespace.id)}`;
    const expiresAtMs = nowMs + granted.ttl * 1000;
    const renewable = grant.renewable && mount.engine?.leases?.[grant.kind]?.renew !== undefined;
    this.save(session, {
      id,
      issuedAtMs: nowMs,
      expiresAtMs,
      dueAtMs: expiresAtMs,
      ttl: granted.ttl,
      renewable,
      renewedAtMs: 0,
      of: {
        what: 'secret',
        mountUuid: mount.entry.uuid,
        kind: grant.kind,
        internal: grant.internal,
        maxTtl,
        tokenKey: issue.tokenKey,
      },
    });
    const { path, entityId = '' } = issue;
    const namespaceId = mount.info.namespace.id;
    this.#options.created?.(session, { namespaceId, path, role: '', entityId, isToken: false });
    return { id, ttl: granted.ttl, renewable, warnings: granted.warnings };
  }

  /** Writes a lease and makes sure that expiry wakes in time. */
  save(session: Session, lease: Lease, before?: Lease): void {
    saveLease(session, lease, before);
    session.afterApply(() => this.#revoker.wakeBy(lease.dueAtMs));
  }

  /** Undefined when the namespace has none of that id or it has expired, whether or not it was cleaned up yet. */
  find(session: Session, namespaceId: string, id: string): Lease | undefined {
    const lease = namespaceIdIn(id) === namespaceId ? getLease(session, id) : undefined;
    return lease && lease.expiresAtMs > this.#options.clock.now() ? lease : undefined;
  }

  /** Renews a credential's lease; `increment` in seconds, 0 for what it was issued with. */
  async renew(
    session: Session,
    lease: Lease,
    increment: number,
  ): Promise<{ ttl: number; warnings: string[] }> {
    if (lease.of.what !== 'secret') throw new InvalidRequest('lease is not renewable');
    const of: SecretLease = lease.of;
    const mount = this.#options.mountByUuid(session, placeOf(lease.id, of));
    const kind = mount?.engine?.leases?.[of.kind];
    if (!lease.renewable || !mount || !kind?.renew) throw new InvalidRequest('lease is not renewable');
    const planned = this.#extend(mount, lease, increment, [of.maxTtl]);
    const allowed = await kind.renew(workContext(this.#options.work, session, mount), {
      internal: of.internal,
      ttl: lease.ttl,
      issuedAtMs: lease.issuedAtMs,
      incrementSeconds: increment > 0 ? increment : lease.ttl,
      expiresAtMs: planned.expiresAtMs,
    });
    // Meanwhile it may have been revoked, or renewed by somebody else.
    const now = this.find(session, namespaceIdIn(lease.id), lease.id);
    if (!now) throw new InvalidRequest('lease not found');
    const { ttl, warnings, expiresAtMs } = this.#extend(mount, now, increment, [
      of.maxTtl,
      allowed.maxTtl ?? 0,
    ]);
    const renewedAtMs = this.#options.clock.now();
    this.save(session, { ...now, expiresAtMs, dueAtMs: expiresAtMs, renewedAtMs }, now);
    return { ttl, warnings };
  }

  /** Ends one lease: at once where that is local or `wait` says so, else in the background, for certain. */
  async revoke(
    session: Session,
    namespaceId: string,
    id: string,
    { wait }: { wait: boolean },
  ): Promise<void> {
    const lease = namespaceIdIn(id) === namespaceId ? getLease(session, id) : undefined;
    if (!lease) return;
    const nowMs = this.#options.clock.now();
    this.save(session, { ...lease, expiresAtMs: Math.min(lease.expiresAtMs, nowMs), dueAtMs: nowMs }, lease);
    const local = this.#revoker.isLocal(session, lease)
      ? this.#revoker.endIn(session, id, { force: false })
      : undefined;
    await persist(session);
    if (wait) await (local ?? this.#revoker.end(id, { force: false }));
  }

  /** Ends every lease of a namespace under a path prefix. With `force`, an engine's failure is logged and the lease forgotten. */
  async revokePrefix(
    session: Session,
    namespaceId: string,
    prefix: string,
    options: { force: boolean; wait: boolean },
  ): Promise<void> {
    const job: RevocationJob = {
      id: this.#options.random.uuid(),
      of: 'prefix',
      ...(namespaceId === ROOT_ID ? {} : { namespaceId }),
      prefix,
      force: options.force,
    };
    saveJob(session, job);
    await persist(session);
    const done = this.#launch(job);
    if (!options.wait) return;
    const failures = await done;
    if (failures[0])
      throw new InternalFailure(
        `failed to revoke ${failures.length} leases, which will be retried: ${failures[0].message}`,
      );
  }

  /** Ends every lease that a token asked for, in the background, once the session's writes are in. */
  revokeOfToken(session: Session, tokenKey: string): void {
    for (const _ of tokenLeaseIds(session, tokenKey)) {
      const job: RevocationJob = { id: this.#options.random.uuid(), of: 'token', tokenKey };
      saveJob(session, job);
      session.afterApply(() => void this.#launch(job));
      return;
    }
  }

  /** How many leases there are of each group that `groupOf` a lease's id gives; counts in slices, so that others are served meanwhile. */
  async count(
    namespaceId: string,
    which: 'all' | 'irrevocable',
    groupOf: (id: string) => string,
  ): Promise<Map<string, number>> {
    const session = this.#options.openSession();
    const counts = new Map<string, number>();
    let seen = 0;
    for (const id of which === 'all'
      ? leaseIds(session, namespaceId, '')
      : irrevocableIds(session, namespaceId)) {
      if (++seen % COUNT_SLICE === 0) await turn();
      const group = groupOf(id);
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    return counts;
  }

  /** How many leases are due now, up to `limit`; counts in slices. */
  async countDue(limit: number): Promise<number> {
    const session = this.#options.openSession();
    let count = 0;
    for (const _ of dueLeases(session, this.#options.clock.now(), { limit })) {
      if (++count % COUNT_SLICE === 0) await turn();
    }
    return count;
  }

  /** Retries every overdue revocation now. */
  tidy(): void {
    this.#revoker.wakeBy(this.#options.clock.now());
  }

  #extend(mount: OpenMount, lease: Lease, increment: number, maxTtls: readonly number[]) {
    const nowMs = this.#options.clock.now();
    const { ttl, warnings } = grantTtl({
      nowMs,
      issuedAtMs: lease.issuedAtMs,
      ttl: increment,
      defaultTtl: lease.ttl,
      maxTtls: [...maxTtls, mount.info.maxLeaseTtl],
    });
    if (ttl <= 0) throw new InvalidRequest('past the max TTL, cannot renew');
    return { ttl, warnings, expiresAtMs: nowMs + ttl * 1000 };
  }

  /** Runs a recorded job once; resolves with the failures, each of which stays on as a lease to be retried. */
  #launch(job: RevocationJob): Promise<Error[]> {
    const running = this.#running.get(job.id);
    if (running) return running;
    const work = this.#run(job)
      .catch((error: Error) => {
        this.#options.log.warn('a bulk revocation was cut short; it goes on at the next start', { error });
        return [error];
      })
      .finally(() => this.#running.delete(job.id));
    this.#running.set(job.id, work);
    return work;
  }

  async #run(job: RevocationJob): Promise<Error[]> {
    const force = job.of === 'prefix' && job.force;
    const failures: Error[] = [];
    const pending = new Set<Promise<void>>();
    const commits: (Promise<void> | undefined)[] = [];
    let after: string | undefined;
    for (;;) {
      this.#checkRunning();
      const session = this.#options.openSession();
      const page = { after, limit: JOB_SLICE };
      const ids = [
        ...(job.of === 'prefix'
          ? leaseIds(session, job.namespaceId ?? ROOT_ID, job.prefix, page)
          : tokenLeaseIds(session, job.tokenKey, page)),
      ];
      for (const id of ids) {
        const ending = this.#revoker.endIn(session, id, { force });
        if (!ending) continue;
        const tracked: Promise<void> = ending
          .catch((error: Error) => void failures.push(error))
          .finally(() => pending.delete(tracked));
        pending.add(tracked);
      }
      session.apply();
      if (commits.push(session.settled()) > COMMITS_AHEAD) await commits.shift();
      while (pending.size >= OUTSIDE_AT_ONCE) await Promise.race(pending);
      if (ids.length < JOB_SLICE) break;
      after = ids.at(-1);
      await turn();
    }
    await Promise.all(pending);
    this.#checkRunning();
    const end = this.#options.openSession();
    deleteJob(end, job);
    await persist(end);
    return failures;
  }

  #checkRunning(): void {
    if (this.#stopped) throw new Unavailable('the server is being sealed');
  }
}

/** The reply of `sys/leases/lookup`; 400 as Vault has it when there is none. */
export function shownLease(lease: Lease | undefined, nowMs: number, rfc3339: (ms: number) => string) {
  if (!lease) throw new InvalidRequest('invalid lease');
  return {
    id: lease.id,
    issue_time: rfc3339(lease.issuedAtMs),
    expire_time: rfc3339(lease.expiresAtMs),
    last_renewal: lease.renewedAtMs ? rfc3339(lease.renewedAtMs) : null,
    renewable: lease.renewable,
    ttl: Math.max(0, Math.floor((lease.expiresAtMs - nowMs) / 1000)),
  };
}
