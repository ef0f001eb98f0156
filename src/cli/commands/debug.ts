import { mkdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { UnknownRecord } from '../../base/json.ts';
import { type Client, pause } from '../../client/client.ts';
import { type Context, command } from '../command.ts';
import { LocalError, UsageError } from '../errors.ts';
import { booleanOr, durationOr, string, strings } from '../flags.ts';
import { tarball } from '../tar.ts';
import { VERSION } from '../version.ts';

/** What is asked for again and again: the file of the bundle, and the requests whose answers go into it. */
const ASKED = new Map([
  ['config', { file: 'config.json', paths: ['sys/config/state/sanitized'] }],
  ['host', { file: 'host_info.json', paths: ['sys/host-info'] }],
  ['metrics', { file: 'metrics.json', paths: ['sys/metrics'] }],
  ['replication-status', { file: 'replication_status.json', paths: ['sys/ha-status', 'sys/leader'] }],
  ['requests', { file: 'requests.json', paths: ['sys/in-flight-req'] }],
  ['server-status', { file: 'server_status.json', paths: ['sys/health', 'sys/seal-status'] }],
]);
/** Beside them, what goes on by itself: the server's log, and profiles. */
const TARGETS = [...ASKED.keys(), 'log', 'pprof'].sort();

const flags = {
  compress: booleanOr(true, { usage: 'Write one compressed archive instead of a directory.' }),
  duration: durationOr(120, { usage: 'How long to collect.' }),
  interval: durationOr(30, { usage: 'Time between two looks at the server.' }),
  'metrics-interval': durationOr(10, { usage: 'Time between two looks at its metrics.' }),
  output: string({ usage: 'File or directory to write. The default has the time in its name.' }),
  target: strings({
    usage: 'What to collect; may be given several times. The default is everything.',
    values: TARGETS,
  }),
};
type DebugContext = Context<typeof flags>;

export const debug = command({
  name: 'debug',
  synopsis: 'Collect the state of a server into a bundle',
  usage: 'debug [options]',
  description: `
Collects the state of a server for some time: configuration without secrets, host, metrics, requests under way, health, its log, and profiles of processor and memory. What the token may not see is noted in the index and left out. Ctrl-C ends it early and keeps what there is.

    $ coffer debug -duration=1m -interval=10s -target=host -target=metrics`,
  uses: ['http'],
  flags,
  arguments: { min: 0, max: 0 },
  async run(context) {
    const targets = targetsOf(context);
    const started = new Date(context.terminal.clock.now());
    const stamp = started.toISOString().slice(0, 19).replaceAll(':', '-');
    const name = context.flags.output ?? `coffer-debug-${stamp}Z${context.flags.compress ? '.tar.gz' : ''}`;
    const client = (await context.client()).with({ wrapTtl: () => undefined });
    announce(context, { name, address: client.address, targets });
    const bundle = await collect(context, client, targets);
    const files = filesOf(bundle, {
      address: client.address,
      started,
      ended: new Date(context.terminal.clock.now()),
      targets,
    });
    await writeBundle(name, files, { compress: context.flags.compress, ended: context.terminal.clock.now() });
    context.output.line(`Success! Bundle written to: ${name}`);
    return 0;
  },
});

interface Bundle {
  readonly captures: ReadonlyMap<string, UnknownRecord[]>;
  readonly errors: UnknownRecord[];
  /** Whole files: the log, profiles. */
  readonly files: Map<string, string | Buffer>;
}

type Collecting = Bundle & { readonly captures: Map<string, UnknownRecord[]> };

/** Characters of the server's log that are kept. */
const LOG_LENGTH_MAX = 32 * 1024 * 1024;
const PROFILE_SECONDS_MAX = 10;
/** By file: what is asked for, and for how many seconds it goes on (of those that a profile may take). */
const PROFILES = [
  { file: 'goroutine.txt', path: 'sys/pprof/goroutine', seconds: () => 0 },
  { file: 'heap.prof', path: 'sys/pprof/heap', seconds: () => 1 },
  { file: 'allocs.prof', path: 'sys/pprof/allocs', seconds: () => 1 },
  { file: 'profile.prof', path: 'sys/pprof/profile', seconds: (longest: number) => longest },
];

/** The log and the profiles, which take their time while the others are asked for. */
function collectAlongside(
  context: DebugContext,
  client: Client,
  targets: readonly string[],
  bundle: Collecting,
): { end(): Promise<void> } {
  const stop = new AbortController();
  const running = [
    ...(targets.includes('log') ? [followLog(context, client, bundle, stop.signal)] : []),
    ...(targets.includes('pprof') ? [takeProfiles(context, client, bundle, stop.signal)] : []),
  ];
  return {
    async end() {
      stop.abort();
      await Promise.all(running);
    },
  };
}

async function followLog(
  context: DebugContext,
  client: Client,
  bundle: Collecting,
  stopped: AbortSignal,
): Promise<void> {
  const path = 'sys/monitor';
  let text = '';
  try {
    const query = { log_level: 'debug', log_format: 'standard' };
    const keep = (more: string) => {
      if (text.length < LOG_LENGTH_MAX) text += more;
    };
    await client.stream(path, query, keep, stopped);
  } catch (error) {
    if (!stopped.aborted) noteError(context, bundle, { target: 'log', path, error });
  }
  bundle.files.set('server.log', text);
}

/** One round at each interval; a round that is under way when time is up is finished. */
async function takeProfiles(
  context: DebugContext,
  client: Client,
  bundle: Collecting,
  stopped: AbortSignal,
): Promise<void> {
  const { flags: given, terminal } = context;
  const longest = Math.max(1, Math.min(PROFILE_SECONDS_MAX, Math.floor(given.interval / 2), given.duration));
  const over = new Promise<void>((resolve) => stopped.addEventListener('abort', () => resolve()));
  for (let round = 1; !stopped.aborted; round++) {
    const nextMs = terminal.clock.monotonic() + given.interval * 1000;
    for (const { file, path, seconds } of PROFILES) {
      const chunks: Buffer[] = [];
      try {
        const query = { seconds: String(seconds(longest)) };
        await client.download(path, async (bytes) => void chunks.push(bytes), query);
        bundle.files.set(`pprof-${String(round).padStart(3, '0')}-${file}`, Buffer.concat(chunks));
      } catch (error) {
        noteError(context, bundle, { target: 'pprof', path, error });
      }
    }
    await Promise.race([pause(terminal.clock, Math.max(0, nextMs - terminal.clock.monotonic())), over]);
  }
}

function noteError(
  { terminal }: DebugContext,
  bundle: Bundle,
  { target, path, error }: { target: string; path: string; error: unknown },
): void {
  bundle.errors.push({
    timestamp: new Date(terminal.clock.now()).toISOString(),
    target,
    path,
    error: error instanceof Error ? error.message : String(error),
  });
}

function targetsOf({ flags: given }: DebugContext): string[] {
  const unknown = given.target.find((name) => !TARGETS.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`Unknown target: ${unknown} (one of ${TARGETS.join(', ')})`);
  if (given.interval <= 0 || given['metrics-interval'] <= 0)
    throw new UsageError('an interval must be longer than nothing');
  return given.target.length > 0 ? [...new Set(given.target)] : TARGETS;
}

function announce(
  { output, flags: given }: DebugContext,
  { name, address, targets }: { name: string; address: string; targets: readonly string[] },
): void {
  output.line(`==> Starting debug capture...
         Server Address: ${address}
         Client Version: ${VERSION}
               Duration: ${given.duration}s
               Interval: ${given.interval}s
       Metrics Interval: ${given['metrics-interval']}s
                Targets: ${targets.join(', ')}
                 Output: ${name}
`);
}

/** Looks at each target at its interval until time is up or someone presses Ctrl-C; the last look is at the end. */
async function collect(context: DebugContext, client: Client, targets: readonly string[]): Promise<Bundle> {
  const { terminal, flags: given, output } = context;
  const bundle = {
    captures: new Map<string, UnknownRecord[]>(),
    errors: [] as UnknownRecord[],
    files: new Map<string, string | Buffer>(),
  };
  const asked = targets.filter((name) => ASKED.has(name));
  const alongside = collectAlongside(context, client, targets, bundle);
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>();
  const state = { stopped: false };
  const release = terminal.onInterrupt(() => {
    state.stopped = true;
    interrupt();
  });
  const endMs = terminal.clock.monotonic() + given.duration * 1000;
  const dueMs = new Map(asked.map((name) => [name, terminal.clock.monotonic()]));
  while (!state.stopped) {
    const nowMs = terminal.clock.monotonic();
    const due = asked.filter((name) => dueMs.get(name)! <= nowMs);
    for (const name of due) {
      await capture(context, client, name, bundle);
      dueMs.set(name, nowMs + given[name === 'metrics' ? 'metrics-interval' : 'interval'] * 1000);
    }
    if (due.length > 0)
      output.line(`${new Date(terminal.clock.now()).toISOString()} [INFO]  captured: ${due.join(', ')}`);
    const nextMs = Math.min(...dueMs.values(), asked.length > 0 ? Number.POSITIVE_INFINITY : endMs);
    if (nextMs > endMs || (asked.length === 0 && nowMs >= endMs)) break;
    await Promise.race([
      pause(terminal.clock, Math.max(0, nextMs - terminal.clock.monotonic())),
      interrupted,
    ]);
  }
  await alongside.end();
  release();
  return bundle;
}

async function capture(
  context: DebugContext,
  client: Client,
  name: string,
  bundle: Collecting,
): Promise<void> {
  const { file, paths } = ASKED.get(name)!;
  const timestamp = new Date(context.terminal.clock.now()).toISOString();
  for (const path of paths) {
    try {
      const query =
        path === 'sys/health' ? { standbyok: 'true', sealedcode: '299', uninitcode: '299' } : undefined;
      const reply = await client.request('GET', path, undefined, query);
      const entries = bundle.captures.get(file) ?? [];
      bundle.captures.set(file, [...entries, { timestamp, path, ...(reply.data ?? reply.body) }]);
    } catch (error) {
      noteError(context, bundle, { target: name, path, error });
    }
  }
}

interface About {
  readonly address: string;
  readonly started: Date;
  readonly ended: Date;
  readonly targets: readonly string[];
}

function filesOf(bundle: Bundle, about: About): Map<string, string | Buffer> {
  const files = new Map<string, string | Buffer>(bundle.files);
  for (const [file, entries] of bundle.captures)
    files.set(file, `${JSON.stringify(entries, undefined, 2)}\n`);
  const index = {
    version: 1,
    server_address: about.address,
    client_version: VERSION,
    timestamp: about.started.toISOString(),
    duration_seconds: Math.round((about.ended.getTime() - about.started.getTime()) / 1000),
    targets: about.targets,
    output: [...files.keys(), 'index.json'],
    errors: bundle.errors,
  };
  return files.set('index.json', `${JSON.stringify(index, undefined, 2)}\n`);
}

/** Only the user may read it: it tells much about the server. */
async function writeBundle(
  name: string,
  files: ReadonlyMap<string, string | Buffer>,
  { compress, ended }: { compress: boolean; ended: number },
): Promise<void> {
  try {
    if (compress) {
      const directory = basename(name).replace(/\.(tar\.gz|tgz)$/, '');
      const { gzipSync } = await import('node:zlib');
      writeFileSync(name, gzipSync(tarball(directory, files, ended)), { mode: 0o600, flag: 'wx' });
      return;
    }
    mkdirSync(name, { mode: 0o700 });
    for (const [file, text] of files) writeFileSync(`${name}/${file}`, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new LocalError(`Error writing ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
