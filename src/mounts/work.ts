import { persist, type Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { WorkContext } from '../engine/engine.ts';
import { dataPrefix, type OpenMount } from './mounts.ts';

export interface WorkParts {
  clock: Clock;
  random: Random;
  log: Logger;
  generatePassword(session: Session, namespaceId: string, policyName: string | undefined): string;
}

/** What an engine is handed for work on its mount: authority over its own data and nothing else. */
export function workContext(parts: WorkParts, session: Session, mount: OpenMount): WorkContext {
  return {
    view: session.view(dataPrefix(mount.entry)),
    mount: mount.info,
    clock: parts.clock,
    random: parts.random,
    log: parts.log,
    persist: () => persist(session),
    locked: (key, work) => mount.locks.run(key, work),
    generatePassword: (policyName) => parts.generatePassword(session, mount.info.namespace.id, policyName),
  };
}
