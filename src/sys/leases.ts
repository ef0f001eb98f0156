import { rfc3339 } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, duration, restOfPath, text, withoutTrailingSlash } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply, type Reply } from '../engine/reply.ts';
import { shownLease } from '../leases/leases.ts';
import { getLease, irrevocableIds, listLeases } from '../leases/records.ts';
import type { MountTable } from '../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { authReply, renewToken } from '../tokens/issue.ts';
import type { SystemParts } from './parts.ts';
import { renewParts } from './token/renew.ts';

const leaseId = text({ description: 'The lease.' });
const urlLeaseId = restOfPath('The lease, in the path.');
const prefix = restOfPath('Leases whose id starts so.', { canonical: withoutTrailingSlash });
const increment = duration({
  description: 'How long it shall live from now; 0 takes what it was issued with.',
  default: 0,
});
const sync = boolean({ description: 'Answer only when it is revoked outside as well.', default: false });

/** `sys/leases/*`, and the older forms `sys/renew`, `sys/revoke`, `sys/revoke-prefix`, `sys/revoke-force`. */
export function leasePaths(parts: SystemParts): EnginePath[] {
  const { leases } = parts;
  const lookup = (context: SystemContext, id: string | undefined): Reply => {
    if (!id) throw new InvalidRequest('lease_id must be specified');
    return {
      data: shownLease(leases.find(context.session, context.namespace.id, id), parts.clock.now(), rfc3339),
    };
  };
  return [
    systemPath({
      pattern: 'leases/lookup',
      summary: 'Shows a lease.',
      fields: { lease_id: leaseId, ...pageFields },
      operations: {
        write: { handler: (context, input) => lookup(context, input.lease_id) },
        list: {
          sudo: true,
          handler: (context, input) =>
            listReply(listLeases(context.session, context.namespace.id, '', pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern: 'leases/lookup/{prefix...}',
      summary: 'Lists leases by prefix.',
      sudo: true,
      fields: { prefix, ...pageFields },
      operations: {
        list: {
          handler: (context, input) =>
            listReply(listLeases(context.session, context.namespace.id, folder(input.prefix), pageOf(input))),
        },
        write: { handler: (context, input) => lookup(context, input.prefix) },
      },
    }),
    ...renewPaths(parts),
    ...revokePaths(parts),
    ...countPaths(parts),
    systemPath({
      pattern: 'leases/tidy',
      summary: 'Takes up every overdue revocation now.',
      sudo: true,
      fields: {},
      operations: {
        write: {
          handler() {
            leases.tidy();
            return {
              status: 202,
              warnings: [
                'Tidy operation successfully started. Any information from the operation will be printed to the server log.',
              ],
            };
          },
        },
      },
    }),
  ];
}

function renewPaths(parts: SystemParts): EnginePath[] {
  const renewal = (pattern: string) =>
    systemPath({
      pattern,
      summary: 'Renews a lease.',
      fields: { lease_id: leaseId, url_lease_id: urlLeaseId, increment },
      operations: {
        write: {
          outside: true,
          handler: (context, input) => renew(parts, context, leaseIdIn(input), input.increment),
        },
      },
    });
  return ['leases/renew', 'leases/renew/{url_lease_id...}', 'renew', 'renew/{url_lease_id...}'].map(renewal);
}

async function renew(
  parts: SystemParts,
  context: SystemContext,
  id: string,
  seconds: number,
): Promise<Reply> {
  if (!id) throw new InvalidRequest('lease_id must be specified');
  const lease = parts.leases.find(context.session, context.namespace.id, id);
  if (!lease) throw new InvalidRequest('lease not found');
  if (lease.of.what === 'secret') {
    const { ttl, warnings } = await parts.leases.renew(context.session, lease, seconds);
    return { renewed: { leaseId: id, ttl, renewable: lease.renewable }, warnings };
  }
  const token = parts.tokens.byKey(context.session, lease.of.tokenKey);
  if (!token) throw new InvalidRequest('lease not found');
  const { ttl, warnings } = await renewToken(renewParts(parts), context.session, token, seconds);
  const rights = parts.identity.rightsOfToken(context.session, token);
  return { auth: authReply('', token, ttl, rights), warnings };
}

/** The path's lease before the body's: a policy for a path is about the lease it names. */
function leaseIdIn(input: { lease_id?: string | undefined; url_lease_id: string }): string {
  return input.url_lease_id || input.lease_id || '';
}

function revokePaths(parts: SystemParts): EnginePath[] {
  const one = (pattern: string) =>
    systemPath({
      pattern,
      summary: 'Revokes a lease.',
      fields: { lease_id: leaseId, url_lease_id: urlLeaseId, sync },
      operations: {
        write: {
          outside: true,
          async handler(context, input) {
            const id = leaseIdIn(input);
            if (!id) throw new InvalidRequest('lease_id must be specified');
            await parts.leases.revoke(context.session, context.namespace.id, id, { wait: input.sync });
            return undefined;
          },
        },
      },
    });
  const many = (pattern: string, force: boolean) =>
    systemPath({
      pattern,
      summary: force
        ? 'Forgets all leases of a prefix, even where revoking fails.'
        : 'Revokes all leases of a prefix.',
      sudo: true,
      fields: { prefix, sync: boolean({ description: sync.description, default: true }) },
      operations: {
        write: {
          outside: true,
          async handler(context, input) {
            if (input.prefix === '') throw new InvalidRequest('prefix must be specified');
            await parts.leases.revokePrefix(context.session, context.namespace.id, input.prefix, {
              force,
              wait: input.sync,
            });
            return undefined;
          },
        },
      },
    });
  return [
    ...['leases/revoke', 'leases/revoke/{url_lease_id...}', 'revoke', 'revoke/{url_lease_id...}'].map(one),
    ...['leases/revoke-prefix/{prefix...}', 'revoke-prefix/{prefix...}'].map((pattern) =>
      many(pattern, false),
    ),
    ...['leases/revoke-force/{prefix...}', 'revoke-force/{prefix...}'].map((pattern) => many(pattern, true)),
  ];
}

function countPaths(parts: SystemParts): EnginePath[] {
  const fields = {
    type: text({ description: 'irrevocable: only leases whose revocation keeps failing.' }),
    include_child_namespaces: boolean({ description: 'Counts those of child namespaces too.' }),
  };
  /** Where a lease was issued is where its id begins. */
  const mountIn = (table: MountTable, id: string) => table.match(id)?.mount.info.path ?? '';
  return [
    systemPath({
      pattern: 'leases/count',
      summary: 'Counts the leases by mount.',
      fields,
      operations: {
        read: {
          outside: true,
          async handler(context, { type = '', include_child_namespaces: deep }) {
            if (type !== '' && type !== 'irrevocable') throw new InvalidRequest('unknown lease type');
            const { namespace, session } = context;
            const counts = new Map<string, number>();
            for (const each of [namespace, ...(deep ? parts.namespaces.descendants(namespace) : [])]) {
              const table = parts.mounts.table(session, each.id);
              const below = each.path.slice(namespace.path.length);
              const counted = await parts.leases.count(each.id, type || 'all', (id) => mountIn(table, id));
              for (const [path, count] of counted) counts.set(below + path, count);
            }
            const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
            return { data: { lease_count: total, counts: Object.fromEntries(counts) } };
          },
        },
      },
    }),
    systemPath({
      pattern: 'leases',
      summary: 'Lists leases whose revocation keeps failing, with their errors.',
      sudo: true,
      fields: { ...fields, limit: text({ description: 'At most so many; none for all.', default: '10000' }) },
      operations: {
        read: {
          handler(context, input) {
            if (input.type !== 'irrevocable')
              throw new InvalidRequest('only irrevocable leases can be listed: set type=irrevocable');
            const limit = input.limit === 'none' ? Number.POSITIVE_INFINITY : Number(input.limit);
            const leases: unknown[] = [];
            for (const id of irrevocableIds(context.session, context.namespace.id)) {
              if (leases.length >= limit) break;
              leases.push({ lease_id: id, error: getLease(context.session, id)?.lastError ?? '' });
            }
            return { data: { lease_count: leases.length, counts: {}, leases } };
          },
        },
      },
    }),
  ];
}

function folder(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}
