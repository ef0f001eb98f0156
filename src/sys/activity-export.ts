import type { Client } from '../activity/clients.ts';
import type { Session } from '../barrier/session.ts';
import { rfc3339 } from '../base/clock.ts';
import { unlessCorrupt } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { IdentityRecords } from '../identity/records.ts';
import { mountOf, namespacePath } from './activity.ts';
import type { SystemParts } from './parts.ts';

/** Lines that go out together. */
const CHUNK = 256;
/** Columns of a CSV that come from what entities hold. */
const COLUMNS_MAX = 1000;

/** What is known of a client now; of an entity that is gone, only that it was there. */
export function exportedClient(parts: SystemParts, session: Session, client: Client): UnknownRecord {
  const mount = mountOf(parts, client);
  const records = new IdentityRecords(session, client.namespaceId);
  const entity =
    client.kind === 'entity' ? unlessCorrupt(() => records.currentEntity(client.id), undefined) : undefined;
  const key = entity?.aliases.find(({ accessor }) => accessor === client.mountAccessor);
  const alias = key && unlessCorrupt(() => records.alias('entity', key.accessor, key.name), undefined);
  return {
    entity_name: entity?.name ?? '',
    entity_alias_name: key?.name ?? '',
    local_entity_alias: alias?.local ?? false,
    client_id: client.id,
    client_type: client.kind === 'entity' ? 'entity' : 'non-entity-token',
    namespace_id: client.namespaceId,
    namespace_path: namespacePath(parts, client.namespaceId),
    mount_accessor: client.mountAccessor,
    mount_type: mount?.entry.type ?? '',
    mount_path: mount?.info.path ?? '',
    timestamp: rfc3339(client.firstSeenSeconds * 1000),
    policies: entity?.policies ?? [],
    entity_metadata: entity?.metadata ?? {},
    entity_alias_metadata: alias?.metadata ?? {},
    entity_alias_custom_metadata: alias?.customMetadata ?? {},
    entity_group_ids: entity?.groupIds ?? [],
  };
}

export async function* jsonLines(clients: AsyncIterable<UnknownRecord>): AsyncGenerator<string> {
  yield* joined(clients, (client) => JSON.stringify(client));
}

const FIXED = [
  'entity_name',
  'entity_alias_name',
  'client_id',
  'client_type',
  'local_entity_alias',
  'namespace_id',
  'namespace_path',
  'mount_accessor',
  'mount_path',
  'mount_type',
  'timestamp',
];

/** Twice over the clients: what columns there are is known when all have been seen. */
export async function* csvLines(clients: () => AsyncIterable<UnknownRecord>): AsyncGenerator<string> {
  const found = new Set<string>();
  for await (const client of clients())
    for (const [column] of nested(client)) if (found.size < COLUMNS_MAX) found.add(column);
  const columns = [...found].sort();
  yield `${[...FIXED, ...columns].map(csvField).join(',')}\n`;
  yield* joined(clients(), (client) => {
    const values = new Map(nested(client));
    return [...FIXED.map((name) => String(client[name])), ...columns.map((name) => values.get(name) ?? '')]
      .map(csvField)
      .join(',');
  });
}

/** `policies.0`, `entity_metadata.team`: what is inside lists and tables. */
function nested(client: UnknownRecord): [column: string, value: string][] {
  return Object.entries(client).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([key, inner]): [string, string] => [`${name}.${key}`, String(inner)])
      : [],
  );
}

/** Quoted where it has to be; what a spreadsheet would take for a formula becomes text. */
function csvField(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

async function* joined(
  clients: AsyncIterable<UnknownRecord>,
  line: (client: UnknownRecord) => string,
): AsyncGenerator<string> {
  let lines = '';
  let count = 0;
  for await (const client of clients) {
    lines += `${line(client)}\n`;
    if (++count % CHUNK > 0) continue;
    yield lines;
    lines = '';
  }
  if (lines !== '') yield lines;
}
