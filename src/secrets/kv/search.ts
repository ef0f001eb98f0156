import { rfc3339 } from '../../base/clock.ts';
import { InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { type Handler, path, type RequestContext } from '../../engine/engine.ts';
import { type Fields, type Input, integer, pairs, text } from '../../engine/fields.ts';
import { folderOf, visibility } from './listing.ts';
import { METADATA, readSecret, type SecretRecord, unlessDamaged } from './records.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1000;
/** Secrets that one request looks at, so that it cannot hold up the others. */
const EXAMINED_MAX = 2000;

const searchFields = {
  query: text({
    description: 'Text to find in paths and custom metadata; upper and lower case are the same.',
    query: true,
  }),
  prefix: text({ description: 'Search only in this folder.', query: true }),
  custom_metadata: pairs({
    description: 'Custom metadata that a secret must have, all of them, exactly.',
    query: true,
  }),
  after: text({ description: "Go on after this path: a former reply's `next`.", query: true }),
  limit: integer({
    description: `The most secrets to return, up to ${LIMIT_MAX}.`,
    default: LIMIT_DEFAULT,
    query: true,
  }),
} satisfies Fields;

type SearchInput = Input<typeof searchFields>;

const handler: Handler<typeof searchFields> = (context, input) => ({ data: search(context, input) });

export const searchPath = path({
  pattern: 'search',
  summary: 'Finds secrets by path and custom metadata.',
  description:
    'Gives only what the caller may see: paths that it could list or read, custom metadata where it may read metadata/. One request looks at a limited number of secrets; while the reply has `next`, ask again with it as `after`.',
  fields: searchFields,
  operations: { read: { handler }, write: { handler } },
});

function search(context: RequestContext, input: SearchInput): UnknownRecord {
  const limit = input.limit;
  if (limit < 1 || limit > LIMIT_MAX) throw new InvalidRequest(`limit must be between 1 and ${LIMIT_MAX}`);
  const sees = visibility(context, { folders: METADATA, secrets: [METADATA, 'data/'] });
  const prefix = METADATA + folderOf(input.prefix ?? '');
  const after = input.after ? METADATA + input.after : undefined;
  const keys: string[] = [];
  const info: UnknownRecord = Object.create(null);
  let examined = 0;
  let last = '';
  for (const key of context.view.keys(prefix, { after })) {
    if (keys.length === limit || examined++ === EXAMINED_MAX) {
      return { keys, key_info: info, next: last };
    }
    last = key.slice(METADATA.length);
    const found = sees(last) && unlessDamaged(context, last, () => match(context, last, input));
    if (!found) continue;
    keys.push(last);
    info[last] = found;
  }
  return { keys, key_info: info };
}

/** What the reply says of a secret that matches. */
function match(context: RequestContext, where: string, input: SearchInput): UnknownRecord | undefined {
  const secret = readSecret(context.view, where);
  if (!secret) return undefined;
  const known = context.allowed('read', METADATA + where);
  const custom = known ? secret.customMetadata : null;
  if (!hasText(where, custom, input.query) || !hasPairs(custom, input.custom_metadata)) return undefined;
  return known ? shownFound(secret) : {};
}

function hasText(where: string, custom: SecretRecord['customMetadata'], query = ''): boolean {
  const wanted = query.toLowerCase();
  return [where, ...Object.entries(custom ?? {}).flat()].some((text) => text.toLowerCase().includes(wanted));
}

function hasPairs(custom: SecretRecord['customMetadata'], wanted: Record<string, string> = {}): boolean {
  return Object.entries(wanted).every(
    ([key, value]) => custom && Object.hasOwn(custom, key) && custom[key] === value,
  );
}

function shownFound(secret: SecretRecord): UnknownRecord {
  return {
    current_version: secret.currentVersion,
    custom_metadata: secret.customMetadata,
    updated_time: rfc3339(secret.updatedAtMs),
  };
}
