import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { integer } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';
import { cpuProfile, emptyProfile, heapProfile } from './profiles.ts';

/** Requests are cut off after 90 seconds unless a listener says otherwise. */
const SECONDS_MAX = 60;
const NO_TRACE =
  'there is no execution trace of this runtime; sys/pprof/profile has what processor time is spent on, and traces of requests can be sent to an OpenTelemetry collector';

/**
 * `sys/pprof/*`: where time and memory go, for `go tool pprof` and whoever reads its format. Profiles hold the names of
 * functions and files, no values: a heap snapshot, which would, is not offered.
 */
export function pprofPaths(parts: SystemParts): EnginePath[] {
  const nowMs = () => parts.clock.now();
  const waitFor = (context: SystemContext, seconds: number) => () => pause(parts, context, seconds);
  return [
    plain('pprof', 'Lists the profiles there are.', () => INDEX, 'text/html; charset=utf-8'),
    timed('profile', 'Where processor time goes for some seconds.', 30, (context, seconds) =>
      cpuProfile(waitFor(context, seconds), nowMs()),
    ),
    timed('heap', 'What is allocated in some seconds and still lives at their end.', 5, (context, seconds) =>
      heapProfile(waitFor(context, seconds), nowMs(), { living: true }),
    ),
    timed('allocs', 'What is allocated in some seconds.', 5, (context, seconds) =>
      heapProfile(waitFor(context, seconds), nowMs(), { living: false }),
    ),
    timed('block', 'Kept for compatibility: nothing here waits for locks.', 0, () =>
      emptyProfile('contentions', nowMs()),
    ),
    timed('mutex', 'Kept for compatibility: nothing here waits for locks.', 0, () =>
      emptyProfile('contentions', nowMs()),
    ),
    plain('pprof/cmdline', 'The command line, without values that could be secret.', commandLine),
    plain(
      'pprof/symbol',
      'Kept for compatibility: profiles name their functions themselves.',
      () => 'num_symbols: 0\n',
    ),
    plain('pprof/goroutine', 'What the one thread that serves requests has under way.', () =>
      underWay(parts),
    ),
    plain('pprof/threadcreate', 'The threads of the process.', threads),
    refused('trace', 'Kept for compatibility: there is no execution trace of this runtime.', NO_TRACE),
  ];
}

const INDEX = `<html><head><title>/sys/pprof/</title></head><body><ul>
${['allocs', 'block', 'cmdline', 'goroutine', 'heap', 'mutex', 'profile', 'symbol', 'threadcreate']
  .map((name) => `<li><a href="${name}">${name}</a></li>`)
  .join('\n')}
</ul></body></html>
`;

function timed(
  name: string,
  summary: string,
  secondsDefault: number,
  take: (context: SystemContext, seconds: number) => Promise<Buffer>,
): EnginePath {
  return systemPath({
    pattern: `pprof/${name}`,
    summary,
    sudo: true,
    fields: {
      seconds: integer({ description: `Up to ${SECONDS_MAX}.`, default: secondsDefault, query: true }),
    },
    operations: {
      read: {
        outside: true,
        async handler(context, { seconds }): Promise<Reply> {
          if (seconds < 0 || seconds > SECONDS_MAX)
            throw new InvalidRequest(`seconds must be from 0 to ${SECONDS_MAX}`);
          const body = await take(context, seconds);
          return { raw: { contentType: 'application/octet-stream', body } };
        },
      },
    },
  });
}

function plain(
  pattern: string,
  summary: string,
  text: () => string,
  contentType = 'text/plain; charset=utf-8',
): EnginePath {
  return systemPath({
    pattern,
    summary,
    sudo: true,
    fields: { debug: integer({ description: 'Kept for compatibility.', default: 0, query: true }) },
    operations: { read: { handler: () => ({ raw: { contentType, body: text() } }) } },
  });
}

function refused(name: string, summary: string, reason: string): EnginePath {
  return systemPath({
    pattern: `pprof/${name}`,
    summary,
    sudo: true,
    fields: { seconds: integer({ description: 'Kept for compatibility.', default: 1, query: true }) },
    operations: {
      read: {
        handler() {
          throw new InvalidRequest(reason);
        },
      },
    },
  });
}

/** Ends early when the client goes away. */
function pause({ clock }: SystemParts, context: SystemContext, seconds: number): Promise<void> {
  const signal = context.signal();
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(seconds * 1000, end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

/** Words that are no flags may be anything; of flags, the names are shown. */
function commandLine(): string {
  const [program = '', ...words] = process.argv;
  const shown = words.map((word) => (word.startsWith('-') ? word.replace(/=.*/s, '=***') : word));
  const isValue = (at: number) => at > 0 && shown[at - 1]!.startsWith('-') && !shown[at]!.startsWith('-');
  return [program, ...shown.map((word, at) => (isValue(at) ? '***' : word))].join('\0');
}

function underWay({ server }: SystemParts): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const resources = [...counts].sort().map(([kind, count]) => `${count} ${kind}\n`);
  return `requests under way: ${Object.keys(server.inFlight()).length}\nwaited for by the event loop:\n${resources.join('')}`;
}

function threads(): string {
  const { UV_THREADPOOL_SIZE: size } = process.env;
  return `1 thread serves requests\n${size ?? 4} threads of the pool do file work and cryptography\n`;
}
