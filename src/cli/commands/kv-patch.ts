import { isRecord } from '../../base/json.ts';
import type { Client } from '../../client/client.ts';
import { ApiError } from '../../client/errors.ts';
import type { Reply } from '../../client/reply.ts';
import { command } from '../command.ts';
import { attempt, LocalError, RemoteError, UsageError } from '../errors.ts';
import { integer, integerOr, string, strings } from '../flags.ts';
import { type InputData, readData } from '../input.ts';
import { apiPath, mountFlag } from '../kv-mount.ts';
import { needVersion2, open, printWritten } from './kv.ts';

export const patch = command({
  name: 'kv patch',
  synopsis: 'Updates parts of the data',
  usage: 'kv patch [options] KEY [DATA]',
  description: `
Changes the given pairs of a key's data as a new version and keeps the others. Only for version 2 of the store.

    $ coffer kv patch -mount=secret foo bar=baz
    $ coffer kv patch -mount=secret -remove-data=old foo`,
  uses: ['http', 'format', 'field'],
  flags: {
    ...mountFlag,
    cas: integer({ usage: 'Write only if this is the present version. Only with -method=patch.' }),
    method: string({
      usage:
        '"patch" lets the server merge; "rw" reads, merges and writes. Without it rw is used where patch may not be.',
      values: ['patch', 'rw'],
    }),
    'remove-data': strings({ usage: 'Name of a pair to take out; may be given several times.' }),
  },
  arguments: { min: 1 },
  completes: 'keys',
  async run(context) {
    const { flags, terminal, arguments: words } = context;
    const removed = Object.fromEntries(flags['remove-data'].map((name) => [name, null]));
    const data: InputData = { ...(await readData(words.slice(1), terminal)), ...removed };
    if (Object.keys(data).length === 0) throw new UsageError('Must supply data');
    const { client, place } = await open(context);
    needVersion2(place);
    const path = apiPath(place, 'data');
    const merge = { path, data, cas: flags.cas };
    const reply = await attempt(`Error writing data to ${path}`, mergeWith(flags.method, client, merge));
    printWritten(context, path, reply);
    return 0;
  },
});

interface Merge {
  readonly path: string;
  readonly data: InputData;
  readonly cas: number | undefined;
}

async function mergeWith(method: string | undefined, client: Client, merge: Merge): Promise<Reply> {
  if (method === 'rw') return readAndWrite(client, merge);
  if (method !== undefined && method !== 'patch')
    throw new UsageError(`Unsupported method for -method: ${method}`);
  const { path, data, cas } = merge;
  try {
    const options = cas === undefined || cas < 0 ? {} : { options: { cas } };
    return await client.request('PATCH', path, { data, ...options });
  } catch (error) {
    // A policy from before PATCH allows reading and updating, which together do the same.
    const forbidden = error instanceof ApiError && (error.status === 403 || error.status === 405);
    if (method === undefined && forbidden) return readAndWrite(client, merge);
    if (error instanceof ApiError && error.status === 404) throw new RemoteError(`No value found at ${path}`);
    throw error;
  }
}

async function readAndWrite(client: Client, { path, data }: Merge): Promise<Reply> {
  const { values, version } = await present(client, path);
  const merged = Object.fromEntries(
    Object.entries({ ...values, ...data }).filter(([, value]) => value !== null),
  );
  return client.request('PUT', path, { data: merged, options: { cas: version } });
}

export const rollback = command({
  name: 'kv rollback',
  synopsis: 'Rolls back to a previous version',
  usage: 'kv rollback [options] KEY',
  description: `
Writes the data of an earlier version again, as a new version.

    $ coffer kv rollback -mount=secret -version=2 foo`,
  uses: ['http', 'format', 'field'],
  flags: { ...mountFlag, version: integerOr(0, { usage: 'Version whose data shall hold again. Required.' }) },
  arguments: { min: 1, max: 1 },
  completes: 'keys',
  async run(context) {
    const { flags } = context;
    if (flags.version <= 0) throw new UsageError('Version flag must be specified');
    const { client, place } = await open(context);
    needVersion2(place);
    const path = apiPath(place, 'data');
    const { version } = await attempt(
      `Error doing pre-read at ${path}`,
      present(client, path, { deleted: true }),
    );
    const query = { version: String(flags.version) };
    const old = await attempt(`Error reading ${path}`, client.find('GET', path, undefined, query));
    const data = old?.data?.data;
    if (!isRecord(data))
      throw new LocalError(`Version ${flags.version} of ${path} has no data: it was deleted or destroyed`);
    const body = { data, options: { cas: version } };
    printWritten(
      context,
      path,
      await attempt(`Error writing data to ${path}`, client.request('PUT', path, body)),
    );
    return 0;
  },
});

/** The key's present data and version. A deleted version counts only where it is said to. */
async function present(client: Client, path: string, options = { deleted: false }) {
  const reply = await client.find('GET', path);
  const values = reply?.data?.data;
  const metadata = isRecord(reply?.data?.metadata) ? reply.data.metadata : undefined;
  if (!metadata || (!isRecord(values) && !options.deleted))
    throw new RemoteError(`No value found at ${path}`);
  return { values: isRecord(values) ? values : {}, version: Number(metadata.version) };
}
