import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, duration, integer, list, name, number, text } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import { GROUPINGS, type RateLimitQuota } from '../quotas/rate-limits.ts';
import type { Quota, QuotaRecords } from '../quotas/records.ts';
import { type Place, type Places, type Scope, scopeOf, scopePath } from '../quotas/scope.ts';
import type { SystemParts } from './parts.ts';

const quotaName = name('The quota.');
/** What every kind of quota takes. */
const scopeFields = {
  path: text({
    description:
      'A namespace, a mount, or a path under a mount, which may end in *. Empty: everything that has no quota of its own.',
  }),
  role: text({ description: 'Only logins for this role of the auth mount at the path.' }),
  inheritable: boolean({
    description: 'Of a namespace: its children share it, where they have no quota of their own.',
  }),
};

/** `sys/quotas/*`. */
export function quotaPaths(parts: SystemParts): EnginePath[] {
  return [configPath(parts), ...rateLimitPaths(parts), ...leaseCountPaths(parts)];
}

function configPath({ quotas }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'quotas/config',
    summary: 'What holds for all rate limits.',
    fields: {
      rate_limit_exempt_paths: list({
        description: 'Paths in any namespace that no rate limit holds for; they may end in *.',
      }),
      absolute_rate_limit_exempt_paths: list({ description: 'The same, each with its namespace.' }),
      enable_rate_limit_audit_logging: boolean({
        description: 'Refused requests are in the audit log as well.',
      }),
      enable_rate_limit_response_headers: boolean({
        description: 'Replies say how much is left, in X-Ratelimit-Limit, -Remaining and -Reset.',
      }),
    },
    operations: {
      read: { handler: () => ({ data: { ...quotas.rateLimits.settings } }) },
      write: {
        handler(context, input) {
          const given = Object.entries(input).filter(([, value]) => value !== undefined);
          quotas.configure(context.session, { ...quotas.rateLimits.settings, ...Object.fromEntries(given) });
          return undefined;
        },
      },
    },
  });
}

function rateLimitPaths(parts: SystemParts): EnginePath[] {
  const { records } = parts.quotas.rateLimits;
  return [
    listPath(records, 'rate-limit', 'Lists the rate limits.'),
    systemPath({
      pattern: 'quotas/rate-limit/{name}',
      summary: 'A rate limit: how many requests each client may make in an interval.',
      fields: {
        name: quotaName,
        ...scopeFields,
        rate: number({ description: 'How many requests in an interval.' }),
        interval: duration({ description: 'The interval; 1s if none is given.' }),
        block_interval: duration({ description: 'How long who went over is shut out altogether.' }),
        group_by: text({ description: 'Whose requests share the rate.', choices: GROUPINGS }),
        secondary_rate: number({
          description: 'The rate of requests without an entity, where they are grouped by entities.',
        }),
        type: text({ description: 'Kept for compatibility.', deprecated: true }),
      },
      operations: {
        read: { handler: (context, input) => ({ data: shown(found(records, context, input.name)) }) },
        write: {
          handler(context, input) {
            const before = records.get(context.session, input.name);
            const quota: RateLimitQuota = {
              ...scoped(placesOf(parts, context), input, before),
              rate: input.rate ?? before?.rate ?? 0,
              intervalSeconds: (input.interval ?? before?.intervalSeconds) || 1,
              blockSeconds: input.block_interval ?? before?.blockSeconds ?? 0,
              groupBy: groupingOf(input.group_by) ?? before?.groupBy ?? 'ip',
              secondaryRate: input.secondary_rate ?? before?.secondaryRate ?? 0,
            };
            checkRates(quota);
            records.put(context.session, quota);
            parts.quotas.rateLimits.changed(context.session);
            return undefined;
          },
        },
        delete: {
          handler({ session }, input) {
            records.delete(session, input.name);
            parts.quotas.rateLimits.changed(session);
            return undefined;
          },
        },
      },
    }),
  ];
}

function leaseCountPaths(parts: SystemParts): EnginePath[] {
  const { leaseCounts } = parts.quotas;
  const { records } = leaseCounts;
  return [
    listPath(records, 'lease-count', 'Lists the limits of leases.'),
    systemPath({
      pattern: 'quotas/lease-count/{name}',
      summary:
        'A limit of leases: how many there may be at one time. A reply comes when those that there are have been counted.',
      fields: {
        name: quotaName,
        ...scopeFields,
        max_leases: integer({ description: 'How many leases there may be.' }),
        type: text({ description: 'Kept for compatibility.', deprecated: true }),
      },
      operations: {
        read: {
          handler({ session }, input) {
            const quota = found(records, { session }, input.name);
            return {
              data: {
                inheritable: quota.inheritable,
                leases: leaseCounts.leases(session, quota.name),
                max_leases: quota.maxLeases,
                name: quota.name,
                path: scopePath(quota.scope),
                role: quota.scope.role,
                type: 'lease-count',
              },
            };
          },
        },
        write: {
          slow: true,
          async handler(context, input) {
            const { session } = context;
            const before = records.get(session, input.name);
            const scope = scoped(placesOf(parts, context), input, before);
            const maxLeases = input.max_leases ?? before?.maxLeases ?? 0;
            if (maxLeases <= 0) throw new InvalidRequest("'max_leases' is invalid: it must be positive");
            records.put(session, { ...scope, maxLeases });
            leaseCounts.changed(session);
            await context.persist();
            await leaseCounts.counted();
            return undefined;
          },
        },
        delete: {
          handler({ session }, input) {
            records.delete(session, input.name);
            leaseCounts.changed(session);
            return undefined;
          },
        },
      },
    }),
  ];
}

function listPath(records: QuotaRecords<Quota>, kind: string, summary: string): EnginePath {
  return systemPath({
    pattern: `quotas/${kind}`,
    summary,
    fields: pageFields,
    operations: {
      list: { handler: (context, input) => listReply(records.names(context.session, pageOf(input))) },
    },
  });
}

function found<Q extends Quota>(
  records: QuotaRecords<Q>,
  { session }: Pick<SystemContext, 'session'>,
  quota: string,
): Q {
  const record = records.get(session, quota);
  if (!record) throw new NotFound();
  return record;
}

/** What is not given stays as it was: who changes a rate does not mean to move the quota to the whole server. */
function scoped(
  places: Places,
  input: {
    name: string;
    path?: string | undefined;
    role?: string | undefined;
    inheritable?: boolean | undefined;
  },
  before: Quota | undefined,
): Quota {
  const path = input.path ?? (before && scopePath(before.scope)) ?? '';
  const role = input.role ?? before?.scope.role ?? '';
  const moved = before === undefined || input.path !== undefined || input.role !== undefined;
  const scope = moved ? scopeOf(places, { path, role }) : before.scope;
  const inheritable = input.inheritable ?? (moved ? isGlobal(scope) : before.inheritable);
  if (inheritable && scope.mount !== '')
    throw new InvalidRequest('inheritable can only be set where the path is a namespace');
  return { name: input.name, scope, inheritable };
}

function isGlobal({ namespace, mount }: Scope): boolean {
  return namespace === '' && mount === '';
}

function placesOf({ mounts, namespaces }: SystemParts, { session }: SystemContext): Places {
  return {
    namespaceOf: (path) => namespaces.split(`${path}/`).namespace.path,
    mountAt(namespacePath, path): Place | undefined {
      const namespace = namespaces.below(ROOT_NAMESPACE, namespacePath);
      const mount = namespace && mounts.table(session, namespace.id).match(path)?.mount;
      if (!mount) return undefined;
      const hasRoles = mount.engine?.paths.some(({ loginRole }) => loginRole !== undefined) ?? false;
      return { path: mount.info.path, hasRoles };
    },
  };
}

function groupingOf(given: string | undefined): RateLimitQuota['groupBy'] | undefined {
  return GROUPINGS.find((each) => each === given);
}

function checkRates({ rate, secondaryRate, intervalSeconds, blockSeconds, groupBy }: RateLimitQuota): void {
  if (rate <= 0) throw new InvalidRequest("'rate' is invalid: it must be positive");
  if (secondaryRate < 0) throw new InvalidRequest("'secondary_rate' is invalid: it must not be negative");
  if (intervalSeconds < 0) throw new InvalidRequest("'interval' is invalid: it must not be negative");
  if (blockSeconds < 0) throw new InvalidRequest("'block_interval' is invalid: it must not be negative");
  if (secondaryRate > 0 && !groupBy.startsWith('entity'))
    throw new InvalidRequest("'secondary_rate' needs a group_by of entity_then_ip or entity_then_none");
}

function shown(quota: RateLimitQuota): UnknownRecord {
  return {
    block_interval: quota.blockSeconds,
    group_by: quota.groupBy,
    inheritable: quota.inheritable,
    interval: quota.intervalSeconds,
    name: quota.name,
    path: scopePath(quota.scope),
    rate: quota.rate,
    role: quota.scope.role,
    secondary_rate: quota.secondaryRate,
    type: 'rate-limit',
  };
}
