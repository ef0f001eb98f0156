import { isRecord } from '../../base/json.ts';
import type { ReadSnapshot } from '../../snapshot-file/read.ts';
import { type Command, command, type Group, group } from '../command.ts';
import { attempt } from '../errors.ts';
import { booleanOr, integerOr } from '../flags.ts';
import { alignRows, type Row, tableOf } from '../output/table.ts';
import { plainText } from '../output/value.ts';
import { inspectSnapshot, openFile, type Share, saveSnapshot } from '../snapshot-file.ts';
import { loadCommand, recoverCommand, unloadCommand } from './operator-recover.ts';

const PATH = 'sys/storage/raft/snapshot';

export const snapshot: Group = group(
  {
    name: 'operator snapshot',
    description: `
Commands for snapshots: the whole content of a server in one file. Values in it are encrypted, names are not.

    $ coffer operator snapshot save backup.snap
    $ coffer operator snapshot verify backup.snap
    $ coffer operator snapshot restore backup.snap
    $ coffer operator snapshot confirm`,
  },
  [
    ...fileCommands('operator snapshot'),
    verifyCommand(),
    statusCommand(),
    confirmCommand(),
    recoverCommand(),
  ],
);

/** By the names that scripts for Vault know. */
const raftSnapshot: Group = group(
  {
    name: 'operator raft snapshot',
    description: 'The same as operator snapshot, by the names that Vault has.',
  },
  fileCommands('operator raft snapshot'),
);

export const raft: Group = {
  name: 'operator raft',
  description: 'Of the commands that Vault has for its own storage, those for snapshots.',
  subcommands: new Map([
    ['snapshot', { synopsis: 'Saves, inspects and restores everything', load: async () => raftSnapshot }],
  ]),
};

function fileCommands(prefix: string): Command[] {
  return [
    saveCommand(prefix),
    restoreCommand(prefix),
    inspectCommand(prefix),
    loadCommand(prefix),
    unloadCommand(prefix),
  ];
}

function saveCommand(prefix: string): Command {
  return command({
    name: `${prefix} save`,
    synopsis: 'Saves the whole content of the server into a file',
    usage: `${prefix} save [options] FILE`,
    description: `
Saves everything that the server has into a file. The file has its name only once it is complete, verified and on the disk.

    $ coffer ${prefix} save backup.snap`,
    uses: ['http', 'format'],
    flags: {},
    arguments: { min: 1, max: 1 },
    completes: 'files',
    async run({ client, output, arguments: [path = ''] }) {
      const read = await attempt('Error taking the snapshot', saveSnapshot(await client(), path));
      output.data(shown(read), () => `Success! Saved ${sizeOf(read)} to: ${path}`);
      return 0;
    },
  });
}

function restoreCommand(prefix: string): Command {
  return command({
    name: `${prefix} restore`,
    synopsis: 'Puts a snapshot in the place of everything that the server has',
    usage: `${prefix} restore [options] FILE`,
    description: `
Puts a snapshot in the place of everything that the server has. A file that is damaged, cut short or forged is refused and changes nothing. Afterwards no lease expires by itself until "coffer operator snapshot confirm".

    $ coffer ${prefix} restore backup.snap

A snapshot of other unseal keys needs -force; the server is sealed then, and is unsealed with the keys of the snapshot.`,
    uses: ['http'],
    flags: { force: booleanOr(false, { usage: 'Take a snapshot of other unseal keys too.' }) },
    arguments: { min: 1, max: 1 },
    completes: 'files',
    async run({ client, flags, output, arguments: [path = ''] }) {
      const file = openFile(path);
      const connected = await client();
      await attempt(
        'Error restoring the snapshot',
        connected.upload(flags.force ? `${PATH}-force` : PATH, file),
      );
      output.line(`Success! Restored: ${path}`);
      output.warn('No lease expires by itself until this is confirmed: coffer operator snapshot confirm');
      return 0;
    },
  });
}

function inspectCommand(prefix: string): Command {
  return command({
    name: `${prefix} inspect`,
    synopsis: 'Shows what a snapshot file holds',
    usage: `${prefix} inspect [options] FILE`,
    description: `
Shows when and where a snapshot was taken, which keys unseal it, and how much it holds of what. Needs no server and no keys, and reads the whole file, so that it fails for one that is not whole.

    $ coffer ${prefix} inspect -depth=2 backup.snap`,
    uses: ['format'],
    flags: { depth: integerOr(1, { usage: 'Segments of names that the table goes by.' }) },
    arguments: { min: 1, max: 1 },
    completes: 'files',
    async run({ flags, output, arguments: [path = ''] }) {
      const depth = Math.max(1, flags.depth);
      const read = await attempt('Error reading the snapshot', inspectSnapshot(path, depth));
      const shares = [...read.shares].sort(([, a], [, b]) => b.bytes - a.bytes);
      const value = { ...shown(read), contents: Object.fromEntries(read.shares) };
      output.data(value, () => `${alignRows(factsOf(read))}\n\n${sharesTable(shares)}`);
      return 0;
    },
  });
}

function verifyCommand(): Command {
  return command({
    name: 'operator snapshot verify',
    synopsis: 'Checks that a snapshot file is whole',
    usage: 'operator snapshot verify [options] FILE',
    description: `
Reads a snapshot file and checks every checksum in it. Needs no server and no keys. Whether it is from the cluster that it names is checked when it is restored, by a code that only that cluster's keys can make.

    $ coffer operator snapshot verify backup.snap`,
    uses: ['format'],
    flags: {},
    arguments: { min: 1, max: 1 },
    completes: 'files',
    async run({ output, arguments: [path = ''] }) {
      const read = await attempt('Error verifying the snapshot', inspectSnapshot(path, 1));
      output.data(
        shown(read),
        () => `Success! ${path} is whole: ${sizeOf(read)}, taken ${read.meta.created_at}`,
      );
      return 0;
    },
  });
}

function statusCommand(): Command {
  return command({
    name: 'operator snapshot status',
    synopsis: 'Shows whether a restored snapshot waits to be confirmed',
    usage: 'operator snapshot status [options]',
    description:
      'Shows whether a restored snapshot waits to be confirmed.\n\n    $ coffer operator snapshot status',
    uses: ['http', 'format'],
    flags: {},
    arguments: { min: 0, max: 0 },
    async run({ client, output }) {
      const connected = await client();
      const request = connected.request('GET', 'sys/storage/snapshot/confirm');
      const { data = {} } = await attempt('Error reading the status', request);
      output.data(data, () =>
        alignRows(Object.entries(data).map(([name, value]) => [titled(name), plainText(value)])),
      );
      return 0;
    },
  });
}

function confirmCommand(): Command {
  return command({
    name: 'operator snapshot confirm',
    synopsis: 'Lets leases expire again after a restore',
    usage: 'operator snapshot confirm [options]',
    description: `
Says that this server, and no other, goes on with what was restored: from now on leases expire again, and those that are due are revoked. On a server that only tries out a snapshot, do not confirm: it would end credentials that the real one has given out.

    $ coffer operator snapshot confirm`,
    uses: ['http'],
    flags: {},
    arguments: { min: 0, max: 0 },
    async run({ client, output }) {
      const connected = await client();
      await attempt('Error confirming', connected.request('POST', 'sys/storage/snapshot/confirm'));
      output.line('Success! Leases expire again.');
      return 0;
    },
  });
}

function shown({ meta, manifest }: ReadSnapshot) {
  return { ...meta, ...manifest };
}

function factsOf({ meta, manifest }: ReadSnapshot): Row[] {
  const seal = isRecord(meta.seal)
    ? `${meta.seal.type}, ${meta.seal.threshold} of ${meta.seal.shares} shares`
    : '';
  return [
    ['Created', meta.created_at],
    ['Cluster Name', meta.cluster_name],
    ['Cluster ID', meta.cluster_id],
    ['Version', meta.version],
    ['Revision', String(meta.revision)],
    ['Seal', seal],
    ['Key Term', String(meta.key_term)],
    ['Records', String(manifest.records)],
    ['Size', bytesText(manifest.record_bytes)],
  ];
}

function sharesTable(shares: readonly (readonly [string, Share])[]): string {
  const rows = shares.map(([name, { records, bytes }]) => [name, String(records), bytesText(bytes)]);
  return tableOf(['Name', 'Records', 'Size'], rows);
}

function sizeOf({ manifest }: ReadSnapshot): string {
  return `${manifest.records} records, ${bytesText(manifest.record_bytes)}`;
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function titled(name: string): string {
  return name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ')
    .replace(/\bId\b/, 'ID');
}
