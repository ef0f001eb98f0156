/**
 * Quotas: how much may be asked for. Owns the definitions, which of them rules where, and what is used up; when they are
 * asked, and what a refusal looks like, is the pipeline's.
 */
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { MountInfo } from '../engine/engine.ts';
import { type Created, LeaseCreators } from './creators.ts';
import { LeaseCounts, type LeaseCountsParts } from './lease-counts.ts';
import { LiveLeases, type LiveLeasesParts } from './live-leases.ts';
import { RateLimits } from './rate-limits.ts';
import { type QuotaSettings, saveQuotaSettings } from './settings.ts';

/** A lease as its maker knows it. */
export type MadeLease = Omit<Created, 'namespace' | 'mount'> & { readonly namespaceId: string };

export class Quotas {
  readonly #parts: LiveLeasesParts;
  readonly rateLimits: RateLimits;
  readonly leaseCounts: LeaseCounts;
  readonly creators: LeaseCreators;
  readonly liveLeases: LiveLeases;

  constructor(parts: LeaseCountsParts & LiveLeasesParts & { clock: Clock; random: Random; log: Logger }) {
    this.rateLimits = new RateLimits(parts);
    this.leaseCounts = new LeaseCounts(parts);
    this.creators = new LeaseCreators(parts);
    this.liveLeases = new LiveLeases(parts);
    this.#parts = parts;
  }

  /** At unseal, before any lease can come or go. */
  start(session: Session): void {
    this.rateLimits.load(session);
    this.leaseCounts.start(session);
  }
  stop(): void {
    this.leaseCounts.stop();
    this.liveLeases.stop();
  }

  /** A lease was made. */
  leaseCreated(session: Session, lease: MadeLease): void {
    const { namespaceId, path } = lease;
    const namespace = this.#parts.namespacePath(namespaceId);
    const mount = this.#parts.mountOf(session, namespaceId, path);
    this.creators.note({ ...lease, namespace, mount });
  }

  configure(session: Session, settings: QuotaSettings): void {
    saveQuotaSettings(session, settings);
    this.rateLimits.changed(session);
  }

  /** What was set on a mount goes with it; `to` is undefined where it is gone. */
  mountMoved(session: Session, from: MountInfo, to: MountInfo | undefined): void {
    for (const kind of [this.rateLimits, this.leaseCounts])
      if (kind.records.mountMoved(session, from, to)) kind.changed(session);
  }

  /** What was set on a namespace goes with it. */
  namespaceGone(session: Session, path: string): void {
    for (const kind of [this.rateLimits, this.leaseCounts])
      if (kind.records.namespaceGone(session, path)) kind.changed(session);
  }
}
