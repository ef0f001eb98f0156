/**
 * Database: users in databases that live as long as their leases. This folder owns connections, roles, and the users
 * it made until they are gone. It does not keep leases or decide when they end: the host does. What differs between
 * databases is a plugin (plugin.ts); PostgreSQL's is here.
 */

import type { Engine, EngineType } from '../../engine/engine.ts';
import { configPaths } from './config.ts';
import { Clients } from './connections.ts';
import { credsPath, LEASE_KIND, userLease } from './creds.ts';
import { rolePaths } from './roles.ts';
import { rotateRootPath, settleRotations } from './rotate-root.ts';
import { sweepIntents, type Underway } from './users.ts';

const SETTLE_EVERY_SECONDS = 60;

export const database: EngineType = {
  type: 'database',
  class: 'secret',
  wakes: true,
  summary: 'Database users that live as long as their leases.',
  open(): Engine {
    const clients = new Clients();
    const underway: Underway = new Set();
    return {
      paths: [...configPaths(clients), rotateRootPath(clients), ...rolePaths(), credsPath(clients, underway)],
      leases: { [LEASE_KIND]: userLease(clients) },
      periodic: [
        {
          name: 'settle-unfinished',
          everySeconds: SETTLE_EVERY_SECONDS,
          async run(context) {
            await settleRotations(context, clients);
            await sweepIntents(context, clients, underway);
          },
        },
      ],
      close: () => clients.close(),
    };
  },
};
