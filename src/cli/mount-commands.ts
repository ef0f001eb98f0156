/** The commands that secrets engines and auth methods have in common; what differs between the two is data. */
import { isRecord, type UnknownRecord } from '../base/json.ts';
import { pause } from '../client/client.ts';
import { type Command, type Completes, type Context, command } from './command.ts';
import { attempt, RemoteError } from './errors.ts';
import { boolean, string } from './flags.ts';
import { cleanPath, mountPath } from './input.ts';
import { configOf, lockoutOf, mountConfigFlags, tuneFlags } from './mount-config.ts';
import { tableOf } from './output/table.ts';
import { humanDuration, plainText } from './output/value.ts';

export interface MountKind {
  /** The group of the commands. */
  readonly group: 'secrets' | 'auth';
  readonly endpoint: 'sys/mounts' | 'sys/auth';
  readonly noun: 'secrets engine' | 'auth method';
  /** The noun with its article. */
  readonly one: 'a secrets engine' | 'an auth method';
  readonly example: string;
  readonly completes: Completes;
  readonly enabled: (type: string, path: string) => string;
}

export function mountCommands(kind: MountKind): Command[] {
  return [disableCommand(kind), enableCommand(kind), listCommand(kind), moveCommand(kind), tuneCommand(kind)];
}

function listCommand({ group, endpoint, noun }: MountKind): Command {
  return command({
    name: `${group} list`,
    synopsis: `List enabled ${noun}s`,
    usage: `${group} list [options]`,
    description: `Lists the enabled ${noun}s.\n\n    $ coffer ${group} list -detailed`,
    uses: ['http', 'format'],
    flags: { detailed: boolean({ usage: 'Show settings, versions and identifiers too.' }) },
    arguments: { min: 0, max: 0 },
    async run({ client, flags, output }) {
      const connected = await client();
      const reply = await attempt(`Error listing ${noun}s`, connected.request('GET', endpoint));
      const mounts = Object.entries(reply.data ?? reply.body).filter(
        (entry): entry is [string, UnknownRecord] => {
          return entry[0].endsWith('/') && isRecord(entry[1]);
        },
      );
      mounts.sort(([a], [b]) => (a < b ? -1 : 1));
      output.data(Object.fromEntries(mounts), () =>
        flags.detailed ? detailedTable(group, mounts) : shortTable(mounts),
      );
      return 0;
    },
  });
}

function shortTable(mounts: readonly [string, UnknownRecord][]): string {
  const columns = ['type', 'accessor', 'description'];
  return tableOf(
    ['Path', 'Type', 'Accessor', 'Description'],
    mounts.map(([path, mount]) => [path, ...columns.map((name) => textOf(mount[name]))]),
  );
}

type Column = readonly [title: string, cell: (mount: UnknownRecord, config: UnknownRecord) => string];

const DETAILS_BEFORE: readonly Column[] = [
  ['Plugin', (mount) => textOf(mount.type)],
  ['Accessor', (mount) => textOf(mount.accessor)],
  ['Default TTL', (_mount, config) => ttlText(config.default_lease_ttl)],
  ['Max TTL', (_mount, config) => ttlText(config.max_lease_ttl)],
];
const DETAILS_AFTER: readonly Column[] = [
  ['Replication', (mount) => (mount.local ? 'local' : 'replicated')],
  ['Seal Wrap', (mount) => String(mount.seal_wrap ?? false)],
  ['External Entropy Access', (mount) => String(mount.external_entropy_access ?? false)],
  ['Options', (mount) => plainText(mount.options ?? {})],
  ['Description', (mount) => textOf(mount.description)],
  ['UUID', (mount) => textOf(mount.uuid)],
  ['Version', (mount) => textOf(mount.plugin_version)],
  ['Running Version', (mount) => textOf(mount.running_plugin_version)],
  ['Running SHA256', (mount) => textOf(mount.running_sha256)],
  ['Deprecation Status', (mount) => textOf(mount.deprecation_status)],
];
/** The column in which the two lists differ. */
const DETAIL_OF = {
  secrets: ['Force No Cache', (_mount, config) => String(config.force_no_cache ?? false)],
  auth: ['Token Type', (_mount, config) => textOf(config.token_type)],
} as const satisfies Record<MountKind['group'], Column>;

function detailedTable(group: MountKind['group'], mounts: readonly [string, UnknownRecord][]): string {
  const columns = [...DETAILS_BEFORE, DETAIL_OF[group], ...DETAILS_AFTER];
  const rows = mounts.map(([path, mount]) => {
    const config = isRecord(mount.config) ? mount.config : {};
    return [path, ...columns.map(([, cell]) => cell(mount, config))];
  });
  return tableOf(['Path', ...columns.map(([title]) => title)], rows);
}

function enableCommand({ group, endpoint, noun, one, example, enabled }: MountKind): Command {
  return command({
    name: `${group} enable`,
    synopsis: `Enable ${one}`,
    usage: `${group} enable [options] TYPE`,
    description: `
Enables ${one} of the given type, at the path of its type unless -path says otherwise. Most need to be configured then.

    $ coffer ${group} enable ${example}
    $ coffer ${group} enable -path=my-${example} ${example}`,
    uses: ['http'],
    flags: {
      ...mountConfigFlags,
      path: string({ usage: 'Where to enable it. The default is its type.' }),
      local: boolean({ usage: 'Keep it in this cluster: it is not replicated.' }),
      'seal-wrap': boolean({ usage: 'Encrypt what it stores with the seal as well.' }),
      'external-entropy-access': boolean({ usage: 'Let it draw on an outside source of randomness.' }),
    },
    arguments: { min: 1, max: 1 },
    async run(context) {
      const { flags, arguments: words, output } = context;
      const type = words[0]!.trim();
      const path = mountPath(flags.path ?? type);
      const { options, description, ...config } = configOf(flags);
      const body = {
        type,
        description: description ?? '',
        local: flags.local,
        seal_wrap: flags['seal-wrap'],
        external_entropy_access: flags['external-entropy-access'],
        config,
        options,
      };
      const client = await context.client();
      await attempt(`Error enabling ${noun}`, client.request('POST', `${endpoint}/${cleanPath(path)}`, body));
      output.line(enabled(type, path));
      return 0;
    },
  });
}

function disableCommand({ group, endpoint, noun, one, example, completes }: MountKind): Command {
  return command({
    name: `${group} disable`,
    synopsis: `Disable ${one}`,
    usage: `${group} disable [options] PATH`,
    description: `
Disables the ${noun} at a path (not of a type). Everything that it stored is deleted, and what it issued is revoked.

    $ coffer ${group} disable ${example}/`,
    uses: ['http'],
    flags: {},
    arguments: { min: 1, max: 1 },
    completes,
    async run({ client, arguments: words, output }) {
      const path = mountPath(words[0]!);
      const connected = await client();
      const request = connected.request('DELETE', `${endpoint}/${cleanPath(path)}`);
      await attempt(`Error disabling ${noun} at ${path}`, request);
      output.line(`Success! Disabled the ${noun} (if it existed) at: ${path}`);
      return 0;
    },
  });
}

function tuneCommand({ group, endpoint, noun, one, example, completes }: MountKind): Command {
  return command({
    name: `${group} tune`,
    synopsis: `Tune the configuration of ${one}`,
    usage: `${group} tune [options] PATH`,
    description: `
Changes settings of the ${noun} at a path (not of a type). Settings that are not given stay as they are; a time of -1 goes back to the system's default.

    $ coffer ${group} tune -default-lease-ttl=72h ${example}/`,
    uses: ['http'],
    flags: tuneFlags,
    arguments: { min: 1, max: 1 },
    completes,
    async run(context) {
      const { flags, arguments: words, output } = context;
      const path = mountPath(words[0]!);
      const body = { ...configOf(flags), user_lockout_config: lockoutOf(flags) };
      const client = await context.client();
      const request = client.request('POST', `${endpoint}/${cleanPath(path)}/tune`, body);
      await attempt(`Error tuning ${noun} ${path}`, request);
      output.line(`Success! Tuned the ${noun} at: ${path}`);
      return 0;
    },
  });
}

function moveCommand({ group, noun, one, example, completes }: MountKind): Command {
  return command({
    name: `${group} move`,
    synopsis: `Move ${one} to a new path`,
    usage: `${group} move [options] SOURCE DESTINATION`,
    description: `
Moves the ${noun} to another path, with its configuration. What it issued before is revoked.

    $ coffer ${group} move ${example}/ new-${example}/`,
    uses: ['http'],
    flags: {},
    arguments: { min: 2, max: 2 },
    completes,
    async run(context) {
      const prefixed = (path: string) =>
        group === 'auth' && !/(^|\/)auth\//.test(path) ? `auth/${path}` : path;
      const from = prefixed(mountPath(context.arguments[0]!));
      const to = prefixed(mountPath(context.arguments[1]!));
      await moveMount(context, { noun, from, to });
      return 0;
    },
  });
}

const MOVE_POLL_MS = 1000;

async function moveMount(
  context: Context,
  { noun, from, to }: { noun: string; from: string; to: string },
): Promise<void> {
  const { output, terminal } = context;
  const client = await context.client();
  const doing = `Error moving ${noun} ${from} to ${to}`;
  const started = await attempt(doing, client.request('POST', 'sys/remount', { from, to }));
  const id = String((started.data ?? started.body).migration_id ?? '');
  const suffix = `${noun} ${from} to ${to}, with migration ID ${id}`;
  output.line(`Started moving ${suffix}`);
  for (;;) {
    const reply = await attempt(doing, client.request('GET', `sys/remount/status/${id}`));
    const info = isRecord(reply.data?.migration_info) ? reply.data.migration_info : {};
    if (info.status === 'success') {
      output.line(`Finished moving ${suffix}`);
      return;
    }
    if (info.status === 'failure') throw new RemoteError(`Failure moving ${suffix}`);
    await pause(terminal.clock, MOVE_POLL_MS);
  }
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : plainText(value);
}

function ttlText(seconds: unknown): string {
  return typeof seconds === 'number' && seconds > 0 ? humanDuration(seconds) : 'system';
}
