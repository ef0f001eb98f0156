import {
  activeClients,
  type Client,
  type Month,
  monthAfter,
  monthOf,
  monthStartMs,
  monthsBetween,
  storedMonths,
} from '../activity/clients.ts';
import {
  type Breakdown,
  type Counts,
  countClients,
  type MonthCounts,
  type Report,
} from '../activity/report.ts';
import { rfc3339 } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { any, boolean, integer, text } from '../engine/fields.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { isWithin, ROOT_NAMESPACE } from '../namespaces/namespace.ts';
import { csvLines, exportedClient, jsonLines } from './activity-export.ts';
import type { SystemParts } from './parts.ts';

const period = {
  start_time: any({ description: 'RFC 3339 or seconds since 1970; a year ago without it.', query: true }),
  end_time: any({ description: 'RFC 3339 or seconds since 1970; now without it.', query: true }),
};

/** `sys/internal/counters/activity*`: who used the server, by namespace, auth method and month. */
export function activityPaths(parts: SystemParts): EnginePath[] {
  return [reportPath(parts), monthlyPath(parts), exportPath(parts), configPath(parts)];
}

function reportPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'internal/counters/activity',
    summary: 'Counts the distinct clients of a time, by namespace, auth method and month.',
    fields: {
      ...period,
      limit_namespaces: integer({ description: 'At most so many, those with most clients.', default: 0 }),
      current_billing_period: boolean({ description: 'Kept for compatibility.', deprecated: true }),
    },
    operations: {
      read: {
        outside: true,
        async handler(context, input) {
          const months = monthsOf(parts, input);
          const report = await reportOf(parts, context, months);
          const shown = shownReport(parts, report, input.limit_namespaces);
          return {
            data: {
              start_time: rfc3339(monthStartMs(firstActive(report) ?? months[0]!)),
              end_time: rfc3339(monthStartMs(monthAfter(months.at(-1)!)) - 1000),
              ...shown,
              total: countsOf(report.all.total),
            },
          };
        },
      },
    },
  });
}

function monthlyPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'internal/counters/activity/monthly',
    summary: 'Counts the distinct clients of this month so far.',
    fields: {},
    operations: {
      read: {
        outside: true,
        async handler(context) {
          const report = await reportOf(parts, context, [monthOf(parts.clock.now())]);
          return { data: { ...countsOf(report.all.total), ...shownReport(parts, report, 0) } };
        },
      },
    },
  });
}

function exportPath(parts: SystemParts): EnginePath {
  return systemPath({
    pattern: 'internal/counters/activity/export',
    summary: 'Lists the distinct clients of a time, one line each.',
    sudo: true,
    fields: { ...period, format: text({ description: 'json or csv.', default: 'json' }) },
    operations: {
      read: {
        outside: true,
        async handler(context, input) {
          if (input.format !== 'json' && input.format !== 'csv')
            throw new InvalidRequest(
              `unknown format ${JSON.stringify(input.format)}: there are json and csv`,
            );
          const months = monthsOf(parts, input);
          await parts.activity.write();
          const session = parts.openSession();
          const counted = within(parts, context);
          const clients = async function* () {
            for await (const { first } of activeClients(session, months))
              if (counted(first.namespaceId)) yield exportedClient(parts, session, first);
          };
          const name = `activity_export_${months[0]}_to_${months.at(-1)}.${input.format}`;
          const csv = input.format === 'csv';
          return {
            headers: { 'Content-Disposition': `attachment; filename="${name}"` },
            stream: {
              contentType: csv ? 'text/csv' : 'application/json',
              body: csv ? csvLines(clients) : jsonLines(clients()),
            },
          };
        },
      },
    },
  });
}

function configPath(parts: SystemParts): EnginePath {
  const { activity } = parts;
  return systemPath({
    pattern: 'internal/counters/config',
    summary: 'How clients are counted.',
    sudo: true,
    fields: {
      enabled: text({ description: 'enable, disable or default; the default is to count.' }),
      retention_months: integer({ description: 'Months that are kept, 48 to 60.' }),
      default_report_months: integer({ description: 'Months of a report that says no start.' }),
    },
    operations: {
      read: {
        handler(context) {
          const { enabled, retentionMonths, defaultReportMonths } = activity.config;
          const now = monthOf(parts.clock.now());
          return {
            data: {
              enabled: enabled === 'default' ? 'default-enabled' : enabled,
              queries_available: storedMonths(context.session).some((month) => month < now),
              retention_months: retentionMonths,
              default_report_months: defaultReportMonths,
              reporting_enabled: false,
            },
          };
        },
      },
      write: {
        handler(context, input) {
          const enabled = (['default', 'enable', 'disable'] as const).find((each) => each === input.enabled);
          if (input.enabled !== undefined && !enabled)
            throw new InvalidRequest('\'enabled\' must be one of ["default", "enable", "disable"]');
          activity.configure(context.session, {
            ...(enabled && { enabled }),
            ...(input.retention_months !== undefined && { retentionMonths: input.retention_months }),
            ...(input.default_report_months !== undefined && {
              defaultReportMonths: input.default_report_months,
            }),
          });
          return undefined;
        },
      },
    },
  });
}

/** The namespace of the request and those below it; those that are gone are the root's. */
function within({ namespaces }: SystemParts, { namespace }: SystemContext): (namespaceId: string) => boolean {
  return (namespaceId) => isWithin(namespaces.byId(namespaceId) ?? ROOT_NAMESPACE, namespace);
}

async function reportOf(
  parts: SystemParts,
  context: SystemContext,
  months: readonly Month[],
): Promise<Report> {
  await parts.activity.write();
  return countClients(parts.openSession(), months, within(parts, context));
}

/** Whole months: nothing finer is kept. Those before anything can have been kept are left out. */
function monthsOf(
  { clock, activity }: SystemParts,
  input: { start_time?: unknown; end_time?: unknown },
): Month[] {
  const now = monthOf(clock.now());
  const { defaultReportMonths, retentionMonths } = activity.config;
  const start =
    input.start_time === undefined
      ? monthAfter(now, 1 - defaultReportMonths)
      : monthOf(timeOf(input.start_time, 'start_time'));
  const asked = input.end_time === undefined ? now : monthOf(timeOf(input.end_time, 'end_time'));
  if (start > asked) throw new InvalidRequest('start_time is later than end_time');
  if (start > now) throw new InvalidRequest('start_time must not be in the future');
  const oldest = monthAfter(now, -retentionMonths);
  // As text: that is how months are in order.
  const [end = now] = [asked, now].sort();
  const [, first = start] = [start, oldest].sort();
  return first > end ? [end] : monthsBetween(first, end);
}

function timeOf(value: unknown, field: string): number {
  const written = String(value).trim();
  const ms = /^\d{1,11}$/.test(written) ? Number(written) * 1000 : Date.parse(written);
  if (!/^\d/.test(written) || !(ms >= 0 && ms < 253_402_300_800_000))
    throw new InvalidRequest(`${field} must be an RFC 3339 time or seconds since the Unix epoch`);
  return ms;
}

function firstActive({ months }: Report): Month | undefined {
  return months.find(({ all }) => all.namespaces.size > 0)?.month;
}

function shownReport(parts: SystemParts, { all, months }: Report, namespacesMax: number): UnknownRecord {
  const namespaces = shownNamespaces(parts, all);
  return {
    by_namespace: namespacesMax > 0 ? namespaces.slice(0, namespacesMax) : namespaces,
    months: months.map((month) => shownMonth(parts, month)),
  };
}

function shownMonth(parts: SystemParts, { month, all, fresh }: MonthCounts): UnknownRecord {
  const timestamp = rfc3339(monthStartMs(month));
  if (all.namespaces.size === 0) return { timestamp, counts: null, namespaces: null, new_clients: null };
  return {
    timestamp,
    counts: countsOf(all.total),
    namespaces: shownNamespaces(parts, all),
    new_clients: { counts: countsOf(fresh.total), namespaces: shownNamespaces(parts, fresh) },
  };
}

/** Those with most clients first. */
function shownNamespaces(parts: SystemParts, { namespaces }: Breakdown): UnknownRecord[] {
  return [...namespaces]
    .sort(([, a], [, b]) => sum(b.total) - sum(a.total))
    .map(([id, { total, mounts }]) => ({
      namespace_id: id,
      namespace_path: namespacePath(parts, id),
      counts: countsOf(total),
      mounts: [...mounts]
        .sort(([, a], [, b]) => sum(b) - sum(a))
        .map(([accessor, counts]) => {
          const mount = mountOf(parts, { namespaceId: id, mountAccessor: accessor });
          const path = mount?.info.path ?? `deleted mount; accessor ${JSON.stringify(accessor)}`;
          // The documentation has one name, the web interface and clients the other.
          return { path, mount_path: path, counts: countsOf(counts) };
        }),
    }));
}

function sum({ entities, tokens }: Counts): number {
  return entities + tokens;
}

function countsOf(counts: Counts): UnknownRecord {
  return {
    entity_clients: counts.entities,
    non_entity_clients: counts.tokens,
    secret_syncs: 0,
    acme_clients: 0,
    clients: sum(counts),
  };
}

/** As things are called now. */
export function mountOf(
  { mounts, namespaces, openSession }: SystemParts,
  { namespaceId, mountAccessor }: Pick<Client, 'namespaceId' | 'mountAccessor'>,
): OpenMount | undefined {
  return namespaces.byId(namespaceId) && mounts.table(openSession(), namespaceId).byAccessor(mountAccessor);
}

export function namespacePath({ namespaces }: Pick<SystemParts, 'namespaces'>, id: string): string {
  return namespaces.byId(id)?.path ?? `deleted namespace ${JSON.stringify(id)}`;
}
