import { rfc3339 } from '../base/clock.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { integer, text } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { DIMENSIONS, type Dimension } from '../quotas/creators.ts';
import type { SystemParts } from './parts.ts';

const NAMES: Readonly<Record<Dimension, string>> = { mount: 'mounts', role: 'roles', entity: 'entities' };

interface Asked {
  readonly by: string;
  readonly limit: number;
}
type Tallies = readonly { readonly key: string; readonly count: number; readonly error?: number }[];

/** `sys/leases/top`: who makes the most leases, and who has the most. Of the caller's namespace and those below. */
export function leaseTopPath(parts: SystemParts): EnginePath {
  const { creators, liveLeases } = parts.quotas;
  const reply = (context: SystemContext, { by, limit }: Asked): Reply => {
    const shown = (of: (each: Dimension) => Tallies) =>
      Object.fromEntries(
        DIMENSIONS.filter((each) => by === '' || each === by).map((each) => [
          NAMES[each],
          within(of(each), context, limit).map(shownTally),
        ]),
      );
    const { last } = liveLeases;
    const counted = last && {
      time: rfc3339(last.atMs),
      // What is in other namespaces is not the business of this one.
      ...(context.mount.namespace.path === '' && { total: last.total }),
      ...shown((each) => last.by[each]),
    };
    return {
      data: {
        created: { since: rfc3339(creators.startedAtMs), ...shown((each) => creators.total(each)) },
        recent: { seconds: creators.recentSeconds, ...shown((each) => creators.recent(each)) },
        counted: counted ?? null,
      },
    };
  };
  return systemPath({
    pattern: 'leases/top',
    summary:
      'Shows who makes the most leases, by mount, role and entity. A write counts all that there are first.',
    sudo: true,
    fields: {
      by: text({ description: 'Only by mount, role or entity.', default: '', choices: ['', ...DIMENSIONS] }),
      limit: integer({ description: 'How many of each.', default: 10 }),
    },
    operations: {
      read: { handler: reply },
      write: {
        slow: true,
        async handler(context, input) {
          await liveLeases.count();
          return reply(context, input);
        },
      },
    },
  });
}

function within(tallies: Tallies, { mount }: SystemContext, limit: number): Tallies {
  const { path } = mount.namespace;
  return tallies
    .filter(({ key }) => key.startsWith(path))
    .slice(0, Math.max(0, limit))
    .map((tally) => ({ ...tally, key: tally.key.slice(path.length) }));
}

/** `at_least` where making room has made the count uncertain. */
function shownTally({ key, count, error = 0 }: Tallies[number]): UnknownRecord {
  return { name: key, leases: count, ...(error > 0 && { at_least: count - error }) };
}
