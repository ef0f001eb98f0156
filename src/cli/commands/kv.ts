import { isRecord } from '../../base/json.ts';
import type { Reply } from '../../client/reply.ts';
import { type Context, command, type Entry, type Group, group } from '../command.ts';
import { attempt, LocalError, RemoteError } from '../errors.ts';
import { boolean, integer, integerOr } from '../flags.ts';
import { readData } from '../input.ts';
import { apiPath, type KvLocation, locate, mountFlag } from '../kv-mount.ts';
import { printKeys } from '../output/keys.ts';
import { printWarnings } from '../output/output.ts';
import { dataOf, rowsOfData } from '../output/secret.ts';
import { heading, keyValueTable, keyValueWidth } from '../output/table.ts';

const get = command({
  name: 'kv get',
  synopsis: 'Retrieves data from the KV store',
  usage: 'kv get [options] KEY',
  description: `
Shows the data at a key, and with version 2 of the store what is known about it.

    $ coffer kv get -mount=secret foo
    $ coffer kv get -mount=secret -version=1 -field=password foo`,
  uses: ['http', 'format', 'field'],
  flags: { ...mountFlag, version: integerOr(0, { usage: 'Version to show; 0 is the latest.' }) },
  arguments: { min: 1, max: 1 },
  completes: 'keys',
  async run(context) {
    const { flags, output } = context;
    const { client, place } = await open(context);
    const path = apiPath(place, 'data');
    const version = flags.version > 0 && place.version === 2 ? String(flags.version) : undefined;
    const reply = await attempt(`Error reading ${path}`, client.find('GET', path, undefined, { version }));
    if (!reply) throw new RemoteError(`No value found at ${path}`);
    if (reply.wrapInfo || place.version === 1) printVersion1(context, reply);
    else if (output.field !== undefined) printField(context, reply.data?.data, output.field);
    else if (output.format !== 'table') output.reply(reply);
    else printVersion2(context, path, reply);
    return 0;
  },
});

const put = command({
  name: 'kv put',
  synopsis: 'Sets or updates data in the KV store',
  usage: 'kv put [options] KEY [DATA]',
  description: `
Writes data at a key; with version 2 of the store as a new version. What the key held before is not kept in it: "kv patch" changes parts.

    $ coffer kv put -mount=secret foo bar=baz
    $ coffer kv put -mount=secret foo @data.json
    $ echo "abcd1234" | coffer kv put -mount=secret foo bar=-`,
  uses: ['http', 'format', 'field'],
  flags: {
    ...mountFlag,
    cas: integer({
      usage: 'Write only if this is the present version; 0 allows the write only if the key does not exist.',
    }),
  },
  arguments: { min: 2 },
  completes: 'keys',
  async run(context) {
    const { flags, terminal, arguments: words } = context;
    const data = await readData(words.slice(1), terminal);
    const { client, place } = await open(context);
    const path = apiPath(place, 'data');
    const options = flags.cas === undefined || flags.cas < 0 ? {} : { options: { cas: flags.cas } };
    const body = place.version === 1 ? data : { data, ...options };
    const reply = await attempt(`Error writing data to ${path}`, client.request('PUT', path, body));
    printWritten(context, path, reply);
    return 0;
  },
});

const remove = command({
  name: 'kv delete',
  synopsis: 'Deletes versions in the KV store',
  usage: 'kv delete [options] KEY',
  description: `
Deletes the data of a key. With version 2 of the store it can be brought back with "kv undelete" until it is destroyed.

    $ coffer kv delete -mount=secret foo
    $ coffer kv delete -mount=secret -versions=3 foo`,
  uses: ['http', 'format', 'field'],
  flags: { ...mountFlag, versions: versionsFlag() },
  arguments: { min: 1, max: 1 },
  completes: 'keys',
  async run(context) {
    const { flags, output } = context;
    const { client, place } = await open(context);
    const some = flags.versions.length > 0;
    if (some && place.version === 1) throw new LocalError('-versions needs version 2 of the key-value store');
    const path = apiPath(place, some ? 'delete' : 'data');
    const request = some
      ? client.request('POST', path, { versions: flags.versions })
      : client.request('DELETE', path);
    const reply = await attempt(`Error deleting ${path}`, request);
    if (output.format === 'table' || Object.keys(reply.body).length === 0) {
      output.success(`Success! Data deleted (if it existed) at: ${apiPath(place, 'data')}`);
    } else output.reply(reply);
    return 0;
  },
});

const list = command({
  name: 'kv list',
  synopsis: 'List data or secrets',
  usage: 'kv list [options] PATH',
  description: `
Lists the names of keys below a path. Names that end in a slash have more below them.

    $ coffer kv list -mount=secret my-app/`,
  uses: ['http', 'format'],
  flags: { ...mountFlag, detailed: boolean({ usage: 'Show what is told about each key beside its name.' }) },
  arguments: { min: 0, max: 1 },
  completes: 'keys',
  async run(context) {
    const { output, flags } = context;
    if (context.arguments.length === 0 && flags.mount === undefined) {
      throw new LocalError('Not enough arguments: a path, or -mount, must be given');
    }
    const { client, place } = await open(context);
    const path = `${apiPath(place, 'metadata').replace(/\/$/, '')}/`;
    const reply = await attempt(`Error listing ${path}`, client.find('LIST', path));
    if (!reply) throw new RemoteError(`No value found at ${path.replace(/\/$/, '')}`);
    printKeys(output, reply, { detailed: flags.detailed, path });
    return 0;
  },
});

const core = group({ name: 'kv', description: '' }, [get, put, remove, list]);

const later = (synopsis: string, load: Entry['load']): Entry => ({ synopsis, load });

export const kv: Group = {
  name: 'kv',
  description: `
Works with the key-value store, of version 1 or 2.

    $ coffer kv put -mount=secret foo bar=baz
    $ coffer kv get -mount=secret foo
    $ coffer kv metadata get -mount=secret foo`,
  subcommands: new Map([
    ...core.subcommands,
    ['patch', later('Updates parts of the data', async () => (await import('./kv-patch.ts')).patch)],
    [
      'rollback',
      later('Rolls back to a previous version', async () => (await import('./kv-patch.ts')).rollback),
    ],
    ['undelete', later('Undeletes versions', async () => (await import('./kv-versions.ts')).undelete)],
    [
      'destroy',
      later('Permanently removes versions', async () => (await import('./kv-versions.ts')).destroy),
    ],
    [
      'enable-versioning',
      later(
        'Turns on versioning for a KV store',
        async () => (await import('./kv-versions.ts')).enableVersioning,
      ),
    ],
    [
      'metadata',
      later('Interact with the metadata of keys', async () => (await import('./kv-metadata.ts')).metadata),
    ],
  ]),
};

/** Version numbers, several with commas or by giving the flag again. */
export function versionsFlag() {
  return {
    kind: 'string' as const,
    usage: 'Versions, with commas between them; may be given several times.',
    initial: [] as readonly number[],
    add(before: readonly number[], text: string): readonly number[] {
      const numbers = text.split(',').map((part) => Number(part.trim()));
      if (numbers.every((number) => Number.isSafeInteger(number) && number > 0))
        return [...before, ...numbers];
      throw new Error('must be numbers of versions');
    },
  };
}

/** The client, and where the key of the first argument is. */
export async function open(context: Context<typeof mountFlag>) {
  const client = await context.client();
  const path = context.arguments[0] ?? '';
  const place = await attempt(
    `Error finding the mount of ${path}`,
    locate(client, path, context.flags.mount),
  );
  return { client, place };
}

/** Refuses the commands that only version 2 has, and tells how to get it. */
export function needVersion2(place: KvLocation): void {
  if (place.version === 2) return;
  const mount = place.mount || '<mount>/';
  throw new LocalError(
    `K/V engine mount must be version 2 for this command; turn versions on with: coffer kv enable-versioning ${mount}`,
  );
}

/** What a write to version 2 answers: where, and which version it became. */
export function printWritten(context: Context, path: string, reply: Reply): void {
  const { output } = context;
  const data = dataOf(reply);
  if (Object.keys(reply.body).length === 0 || (!data && !reply.wrapInfo)) {
    output.success(`Success! Data written to: ${path}`);
  } else if (output.field !== undefined || output.format !== 'table' || !data) output.reply(reply);
  else {
    printWarnings(output, reply.warnings);
    output.line(`${heading('Secret Path', path.length)}\n${path}\n`);
    printTitled(context, 'Metadata', data);
  }
}

/** A table under a title that is about as wide. */
export function printTitled(context: Context, title: string, data: Readonly<Record<string, unknown>>): void {
  const rows = rowsOfData(data);
  context.output.line(`${heading(title, keyValueWidth(rows))}\n${keyValueTable(rows)}`);
}

function printVersion1(context: Context, reply: Reply): void {
  const { output } = context;
  const data = dataOf(reply);
  if (output.field !== undefined || output.format !== 'table' || !data) output.reply(reply);
  else {
    printWarnings(output, reply.warnings);
    printTitled(context, 'Data', data);
  }
}

function printVersion2(context: Context, path: string, reply: Reply): void {
  const { output } = context;
  printWarnings(output, reply.warnings);
  output.line(`${heading('Secret Path', path.length)}\n${path}\n`);
  if (isRecord(reply.data?.metadata)) {
    printTitled(context, 'Metadata', reply.data.metadata);
    if (isRecord(reply.data.data)) output.line('');
  }
  if (isRecord(reply.data?.data)) printTitled(context, 'Data', reply.data.data);
}

function printField(context: Context, data: unknown, name: string): void {
  if (!isRecord(data) || !Object.hasOwn(data, name))
    throw new LocalError(`Field "${name}" not present in secret`);
  context.output.value(data[name]);
}
