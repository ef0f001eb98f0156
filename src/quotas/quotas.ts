/**
 * Quotas: how much may be asked for. Owns the definitions, which of them rules where, and what is used up; when they are
 * asked, and what a refusal looks like, is the pipeline's.
 */
import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { MountInfo } from '../engine/engine.ts';
import { RateLimits } from './rate-limits.ts';
import { type QuotaSettings, saveQuotaSettings } from './settings.ts';

export class Quotas {
  readonly rateLimits: RateLimits;

  constructor(parts: { clock: Clock; random: Random }) {
    this.rateLimits = new RateLimits(parts);
  }

  /** At unseal. */
  start(session: Session): void {
    this.rateLimits.load(session);
  }

  configure(session: Session, settings: QuotaSettings): void {
    saveQuotaSettings(session, settings);
    this.changed(session);
  }

  /** What was set on a mount goes with it; `to` is undefined where it is gone. */
  mountMoved(session: Session, from: MountInfo, to: MountInfo | undefined): void {
    this.rateLimits.records.mountMoved(session, from, to);
    this.changed(session);
  }

  /** What was set on a namespace goes with it. */
  namespaceGone(session: Session, path: string): void {
    this.rateLimits.records.namespaceGone(session, path);
    this.changed(session);
  }

  /** Definitions were written: they hold from the moment that others see them. */
  changed(session: Session): void {
    session.afterApply(() => this.rateLimits.load(session));
  }
}
