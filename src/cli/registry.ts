import type { Entry, Group } from './command.ts';

/** Every command and group of `coffer`, in the order of help. A new one is one line here and one file in `commands/`. */
const entries: readonly (readonly [name: string, synopsis: string, load: Entry['load']])[] = [
  ['read', 'Read data and retrieve secrets', async () => (await import('./commands/read.ts')).read],
  [
    'write',
    'Write data, configuration, and secrets',
    async () => (await import('./commands/write.ts')).write,
  ],
  ['delete', 'Delete secrets and configuration', async () => (await import('./commands/read.ts')).remove],
  ['list', 'List data or secrets', async () => (await import('./commands/read.ts')).list],
  [
    'scan',
    'List data or secrets with all that is below them',
    async () => (await import('./commands/read.ts')).scan,
  ],
  ['login', 'Authenticate locally', async () => (await import('./commands/login.ts')).login],
  ['server', 'Start a server', async () => (await import('./commands/server.ts')).server],
  ['status', 'Print seal and HA status', async () => (await import('./commands/status.ts')).status],
  ['unwrap', 'Unwrap a wrapped secret', async () => (await import('./commands/unwrap.ts')).unwrap],
  ['audit', 'Interact with audit devices', async () => (await import('./commands/audit.ts')).audit],
  ['auth', 'Interact with auth methods', async () => (await import('./commands/auth.ts')).auth],
  [
    'debug',
    'Collect the state of a server into a bundle',
    async () => (await import('./commands/debug.ts')).debug,
  ],
  ['kv', 'Interact with the key-value store', async () => (await import('./commands/kv.ts')).kv],
  ['lease', 'Interact with leases', async () => (await import('./commands/lease.ts')).lease],
  [
    'monitor',
    'Stream log messages from a server',
    async () => (await import('./commands/monitor.ts')).monitor,
  ],
  ['namespace', 'Interact with namespaces', async () => (await import('./commands/namespace.ts')).namespace],
  [
    'operator',
    'Perform operator-specific tasks',
    async () => (await import('./commands/operator.ts')).operator,
  ],
  [
    'patch',
    'Patch data, configuration, and secrets',
    async () => (await import('./commands/write.ts')).patch,
  ],
  [
    'path-help',
    'Retrieve API help for paths',
    async () => (await import('./commands/path-help.ts')).pathHelp,
  ],
  ['plugin', 'Interact with the plugin catalog', async () => (await import('./commands/plugin.ts')).plugin],
  ['policy', 'Interact with policies', async () => (await import('./commands/policy.ts')).policy],
  ['print', 'Prints runtime configurations', async () => (await import('./commands/print.ts')).print],
  ['secrets', 'Interact with secrets engines', async () => (await import('./commands/secrets.ts')).secrets],
  ['token', 'Interact with tokens', async () => (await import('./commands/token.ts')).token],
  [
    'transit',
    'Interact with the Transit secrets engine',
    async () => (await import('./commands/transit.ts')).transit,
  ],
  ['version', 'Print the version', async () => (await import('./commands/version.ts')).version],
  [
    'version-history',
    'Print the versions that the server has run',
    async () => (await import('./commands/version.ts')).versionHistory,
  ],
];

export const root: Group = {
  name: '',
  description: '',
  subcommands: new Map(entries.map(([name, synopsis, load]) => [name, { synopsis, load }])),
};

/** The commands that help shows first. */
export const COMMON_COMMANDS: readonly string[] = [
  'read',
  'write',
  'delete',
  'list',
  'scan',
  'login',
  'server',
  'status',
  'unwrap',
];
