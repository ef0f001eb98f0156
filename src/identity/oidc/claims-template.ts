import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { parseDuration } from '../../engine/duration.ts';
import type { TemplateIdentity } from '../../policies/templates.ts';

/**
 * Templates of claims: JSON in which `{{…}}` stands for something of the caller's identity or the time, with its type:
 * `{"groups": {{identity.entity.groups.names}}}`. Values are put in as JSON, so none can be more than a value.
 */
const PLACEHOLDER = /\{\{\s*(.*?)\s*\}\}/g;

/** Claims that are the server's own. */
const RESERVED: ReadonlySet<string> = new Set([
  'iat',
  'aud',
  'exp',
  'iss',
  'sub',
  'namespace',
  'nonce',
  'auth_time',
  'at_hash',
  'c_hash',
]);

/** What a template may hold beside JSON; throws Error with what is wrong. '' is a template without claims. */
export function checkClaimsTemplate(encoded: string): void {
  const claims = parsed(decodeTemplate(encoded), (name) => fill(name, NOBODY, 0));
  for (const key of Object.keys(claims)) {
    if (RESERVED.has(key))
      throw new Error(
        `top level key ${JSON.stringify(key)} not allowed. Restricted keys: ${[...RESERVED].join(', ')}`,
      );
  }
}

/** The claims of one caller. */
export function populateClaims(encoded: string, identity: TemplateIdentity, nowMs: number): UnknownRecord {
  return parsed(decodeTemplate(encoded), (name) => fill(name, identity, nowMs));
}

/** Names of the claims at the top. */
export function claimNames(encoded: string): string[] {
  return Object.keys(parsed(decodeTemplate(encoded), (name) => fill(name, NOBODY, 0)));
}

/** Templates may come in base64, which no JSON object can be mistaken for. */
function decodeTemplate(encoded: string): string {
  const text = encoded.trim();
  return /^[\w+/-]+=*$/.test(text) ? Buffer.from(text, 'base64').toString() : text;
}

function parsed(template: string, value: (name: string) => unknown): UnknownRecord {
  if (template === '') return {};
  const json = template.replaceAll(PLACEHOLDER, (_, name: string) => JSON.stringify(value(name)));
  let claims: unknown;
  try {
    claims = JSON.parse(json);
  } catch {
    throw new Error('error parsing template JSON');
  }
  if (!isRecord(claims)) throw new Error('error parsing template JSON: an object is needed');
  return claims;
}

const NOBODY: TemplateIdentity = {
  entity: { id: '', name: '', metadata: {}, aliases: new Map() },
  groups: [],
};

/** Throws Error for a name that means nothing. What the caller does not have is empty. */
function fill(name: string, identity: TemplateIdentity, nowMs: number): unknown {
  for (const { pattern, value } of SELECTORS) {
    const groups = pattern.exec(name)?.groups;
    if (groups) return value(identity, groups, nowMs);
  }
  throw new Error(`unknown template parameter ${JSON.stringify(name)}`);
}

interface Selector {
  readonly pattern: RegExp;
  value(
    identity: TemplateIdentity,
    named: Readonly<Record<string, string | undefined>>,
    nowMs: number,
  ): unknown;
}

/** Names of metadata are outside input, so only own members count. */
function member(table: Readonly<Record<string, string>> | undefined, key = ''): string {
  return table && Object.hasOwn(table, key) ? table[key]! : '';
}

const SELECTORS: readonly Selector[] = [
  {
    pattern: /^identity\.entity\.(?<of>id|name)$/,
    value: ({ entity }, { of }) => entity[of as 'id' | 'name'],
  },
  { pattern: /^identity\.entity\.(?<of>metadata)$/, value: ({ entity }) => entity.metadata },
  {
    pattern: /^identity\.entity\.metadata\.(?<key>.+)$/,
    value: ({ entity }, { key }) => member(entity.metadata, key),
  },
  {
    pattern: /^identity\.entity\.groups\.(?<of>ids|names)$/,
    value: ({ groups }, { of }) => groups.map((group) => (of === 'ids' ? group.id : group.name)),
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.(?<of>id|name)$/,
    value: ({ entity }, { accessor = '', of }) => entity.aliases.get(accessor)?.[of as 'id' | 'name'] ?? '',
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.metadata(?:\.(?<key>.+))?$/,
    value: ({ entity }, { accessor = '', key }) => within(entity.aliases.get(accessor)?.metadata, key),
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.custom_metadata(?:\.(?<key>.+))?$/,
    value: ({ entity }, { accessor = '', key }) => within(entity.aliases.get(accessor)?.customMetadata, key),
  },
  { pattern: /^(?<of>time\.now)$/, value: (_, __, nowMs) => Math.floor(nowMs / 1000) },
  {
    pattern: /^time\.now\.(?<direction>plus|minus)\.(?<duration>\S+)$/,
    value(_, { direction, duration }, nowMs) {
      const seconds = parseDuration(duration);
      return Math.floor(nowMs / 1000) + (direction === 'plus' ? seconds : -seconds);
    },
  },
];

function within(table: Readonly<Record<string, string>> | undefined, key: string | undefined): unknown {
  return key === undefined ? (table ?? {}) : member(table, key);
}
