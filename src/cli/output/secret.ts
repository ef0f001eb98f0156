import type { UnknownRecord } from '../../base/json.ts';
import type { AuthBlock, Reply } from '../../client/reply.ts';
import { keyValueTable, type Row } from './table.ts';
import { fieldText, humanDuration, quotedList, sortedEntries } from './value.ts';

/** How a reply of the API is shown: as rows of a table, as one field, or whole for JSON and YAML. */

/** The reply's data; a reply without the API's envelope (`sys/health`) is all data. */
export function dataOf(reply: Reply): UnknownRecord | undefined {
  return isEnvelope(reply.body) ? reply.data : reply.body;
}

/** The reply as `-format=json` prints it: the envelope with its members in Vault's order. */
export function envelopeOf(reply: Reply): UnknownRecord {
  const { body } = reply;
  return {
    request_id: body.request_id ?? '',
    lease_id: body.lease_id ?? '',
    lease_duration: body.lease_duration ?? 0,
    renewable: body.renewable ?? false,
    data: dataOf(reply) ?? null,
    warnings: body.warnings ?? null,
    ...(reply.wrapInfo && { wrap_info: reply.wrapInfo }),
    ...(reply.auth && { auth: reply.auth }),
    ...(body.mount_type ? { mount_type: body.mount_type } : {}),
  };
}

/** The two-column table of a reply, or nothing where it holds nothing to show. */
export function tableOfReply(reply: Reply): string | undefined {
  const rows = rowsOf(reply);
  return rows.length === 0 ? undefined : keyValueTable(rows);
}

export function rowsOfData(data: UnknownRecord): Row[] {
  return sortedEntries(data).map(([name, value]) => [name, fieldText(name, value)]);
}

/** The value that `-field=name` asks for; undefined where the reply has none. */
export function fieldOf(reply: Reply, name: string): unknown {
  const data = dataOf(reply);
  if (data && Object.hasOwn(data, name)) return data[name];
  const named = new Map<string, unknown>([
    ...authFields(reply.auth),
    ...wrapFields(reply),
    ['refresh_interval', reply.body.lease_duration],
    ['lease_id', reply.body.lease_id],
    ['lease_duration', reply.body.lease_duration],
    ['data', data],
  ]);
  return named.get(name);
}

function isEnvelope(body: UnknownRecord): boolean {
  return ['data', 'auth', 'wrap_info', 'warnings', 'lease_id'].some((name) => Object.hasOwn(body, name));
}

function rowsOf(reply: Reply): Row[] {
  return [
    ...leaseRows(reply),
    ...authRows(reply.auth),
    ...wrapRows(reply),
    ...rowsOfData(dataOf(reply) ?? {}),
  ];
}

function leaseRows({ body }: Reply): Row[] {
  const seconds = typeof body.lease_duration === 'number' ? body.lease_duration : 0;
  if (seconds <= 0) return [];
  if (typeof body.lease_id !== 'string' || body.lease_id === '') {
    return [['refresh_interval', humanDuration(seconds)]];
  }
  return [
    ['lease_id', body.lease_id],
    ['lease_duration', humanDuration(seconds)],
    ['lease_renewable', String(body.renewable ?? false)],
  ];
}

function authFields(auth: AuthBlock | undefined): [string, unknown][] {
  if (!auth) return [];
  return [
    ['token', auth.client_token],
    ['token_accessor', auth.accessor],
    ['token_duration', auth.lease_duration],
    ['token_renewable', auth.renewable],
    ['token_policies', auth.token_policies ?? []],
    ['identity_policies', auth.identity_policies ?? []],
    ['policies', auth.policies ?? []],
    ...Object.entries(auth.metadata ?? {}).map(([name, value]): [string, unknown] => [
      `token_meta_${name}`,
      value,
    ]),
  ];
}

function authRows(auth: AuthBlock | undefined): Row[] {
  if (!auth) return [];
  const metadata = sortedEntries(auth.metadata ?? {}).map(([name, value]) => [
    `token_meta_${name}`,
    String(value),
  ]);
  return [
    ['token', auth.client_token],
    ['token_accessor', auth.accessor],
    // A token without an end, such as root's.
    ['token_duration', auth.lease_duration === 0 ? '∞' : humanDuration(auth.lease_duration)],
    ['token_renewable', String(auth.renewable)],
    ['token_policies', quotedList(auth.token_policies ?? [])],
    ['identity_policies', quotedList(auth.identity_policies ?? [])],
    ['policies', quotedList(auth.policies ?? [])],
    ...metadata,
  ];
}

function wrapFields({ wrapInfo }: Reply): [string, unknown][] {
  if (!wrapInfo) return [];
  return [
    ['wrapping_token', wrapInfo.token],
    ['wrapping_accessor', wrapInfo.accessor],
    ['wrapping_token_ttl', wrapInfo.ttl],
    ['wrapping_token_creation_time', wrapInfo.creation_time],
    ['wrapping_token_creation_path', wrapInfo.creation_path],
    ['wrapped_accessor', wrapInfo.wrapped_accessor],
  ];
}

function wrapRows({ wrapInfo }: Reply): Row[] {
  if (!wrapInfo) return [];
  const accessor = wrapInfo.wrapped_accessor;
  return [
    ['wrapping_token:', wrapInfo.token],
    ['wrapping_accessor:', wrapInfo.accessor],
    ['wrapping_token_ttl:', humanDuration(wrapInfo.ttl)],
    ['wrapping_token_creation_time:', wrapInfo.creation_time],
    ['wrapping_token_creation_path:', wrapInfo.creation_path],
    ...(accessor ? [['wrapped_accessor:', accessor]] : []),
  ];
}
