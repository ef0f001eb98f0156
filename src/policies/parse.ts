/**
 * Policies: what a token may do. This folder owns the policy language, its evaluation and explanation, the stored
 * policies and the password policies. It does not own who has which policy (tokens/, identity/) nor when a check
 * happens (pipeline/).
 */

import { InvalidRequest } from '../base/errors.ts';
import { parseDuration } from '../engine/duration.ts';
import {
  type Block,
  blocks,
  describe,
  type HclEntry,
  HclError,
  type HclObject,
  type HclValue,
  type Plain,
  parseHcl,
  plain,
} from '../hcl/hcl.ts';
import { parseKeysFilter } from './keys-filter.ts';
import { placeholdersIn } from './templates.ts';

export const CAPABILITIES = [
  'create',
  'delete',
  'deny',
  'list',
  'patch',
  'read',
  'scan',
  'sudo',
  'update',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Lower-case parameter names with the values they may or may not have; no values means any value. */
export type ParameterTable = ReadonlyMap<string, readonly Plain[]>;

/** One `path` block. */
export interface Rule {
  /** Without leading slash; ends in `*` when it is a prefix; may hold `+` segments and `{{…}}` templates. */
  readonly path: string;
  /** Sorted, each once; only `deny` if that is among them. */
  readonly capabilities: readonly Capability[];
  readonly allowedParameters?: ParameterTable;
  readonly deniedParameters?: ParameterTable;
  /** Lower case. */
  readonly requiredParameters: readonly string[];
  /** Seconds; 0 for none. */
  readonly minWrappingTtlSeconds: number;
  /** Seconds; 0 for none. */
  readonly maxWrappingTtlSeconds: number;
  /** The rule ends then, in milliseconds since the Unix epoch. */
  readonly expiresAtMs?: number;
  /** The largest `limit` of a list or scan; 0 for none. */
  readonly paginationLimit: number;
  /** Template of the path that must be readable for a listed key to be shown; '' for none. */
  readonly keysFilter: string;
  readonly line: number;
}

export interface Policy {
  /** Lower case. */
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly text: string;
  /** The identity templates in its paths, each once, without braces; none when the rules are the same for everybody. */
  readonly placeholders: readonly string[];
}

/** Policy text in HCL or JSON to rules. Throws `InvalidRequest` that names the path and the line. */
export function parsePolicy({ name, text }: { name: string; text: string }): Policy {
  try {
    const body = parseHcl(text);
    for (const entry of body.entries) {
      if (entry.key !== 'path' && entry.key !== 'name') {
        throw new Mistake(`invalid key "${entry.key}" on line ${entry.line}`);
      }
    }
    const rules = blocks(body, 'path', 1).map(parseRule);
    const placeholders = [...new Set(rules.flatMap((rule) => placeholdersOf(rule)))];
    return { name, rules, text, placeholders };
  } catch (error) {
    if (error instanceof Mistake || error instanceof HclError) {
      throw new InvalidRequest(`failed to parse policy: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/** The policy field of a request: HCL, JSON, or either in base64 (which plain policy text never is). */
export function decodePolicyText(given: string): string {
  const compact = given.trim();
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return given;
  return Buffer.from(compact, 'base64').toString('utf8');
}

class Mistake extends Error {}

function placeholdersOf({ path, line }: Rule): string[] {
  try {
    return placeholdersIn(path);
  } catch (error) {
    throw new Mistake(`path "${path}" on line ${line}: ${error instanceof Error ? error.message : error}`);
  }
}

/** What the old `policy = "…"` stands for. */
const LEGACY_POLICIES: ReadonlyMap<string, readonly Capability[]> = new Map([
  ['deny', ['deny']],
  ['read', ['read', 'list']],
  ['write', ['create', 'read', 'update', 'delete', 'list']],
  ['sudo', ['create', 'read', 'update', 'delete', 'list', 'sudo']],
]);

/** What one key of a `path` block contributes to its rule. */
type RuleField = (entry: HclEntry) => Partial<Rule>;

const RULE_FIELDS: ReadonlyMap<string, RuleField> = new Map<string, RuleField>([
  ['comment', () => ({})],
  ['policy', (entry) => ({ capabilities: legacyCapabilities(entry) })],
  ['capabilities', (entry) => ({ capabilities: texts(entry).map((name) => capability(name, entry)) })],
  ['allowed_parameters', (entry) => ({ allowedParameters: parameterTable(entry) })],
  ['denied_parameters', (entry) => ({ deniedParameters: parameterTable(entry) })],
  ['required_parameters', (entry) => ({ requiredParameters: parameterNames(entry) })],
  ['min_wrapping_ttl', (entry) => ({ minWrappingTtlSeconds: seconds(entry) })],
  ['max_wrapping_ttl', (entry) => ({ maxWrappingTtlSeconds: seconds(entry) })],
  ['expiration', (entry) => ({ expiresAtMs: instant(entry) })],
  ['pagination_limit', (entry) => ({ paginationLimit: count(entry) })],
  ['list_scan_response_keys_filter_path', (entry) => ({ keysFilter: keysFilter(entry) })],
]);

function parseRule(block: Block): Rule {
  const path = block.labels[0]!;
  try {
    if (path.includes('+*')) throw new Mistake("invalid use of wildcards ('+*' is forbidden)");
    const rule = uniqueEntries(block.body).reduce(withField, emptyRule(path, block.line));
    const { minWrappingTtlSeconds: min, maxWrappingTtlSeconds: max } = rule;
    if (max > 0 && max < min) throw new Mistake('max_wrapping_ttl cannot be less than min_wrapping_ttl');
    return rule;
  } catch (error) {
    if (error instanceof Mistake) throw new Mistake(`path "${path}": ${error.message}`);
    throw error;
  }
}

function withField(rule: Rule, entry: HclEntry): Rule {
  const field = RULE_FIELDS.get(entry.key);
  if (!field) throw new Mistake(`invalid key "${entry.key}" on line ${entry.line}`);
  const part = field(entry);
  // `policy` and `capabilities` may stand together.
  const granted = new Set([...rule.capabilities, ...(part.capabilities ?? [])]);
  return { ...rule, ...part, capabilities: granted.has('deny') ? ['deny'] : [...granted].sort() };
}

function emptyRule(path: string, line: number): Rule {
  return {
    path: path.startsWith('/') ? path.slice(1) : path,
    capabilities: [],
    requiredParameters: [],
    minWrappingTtlSeconds: 0,
    maxWrappingTtlSeconds: 0,
    paginationLimit: 0,
    keysFilter: '',
    line,
  };
}

/** A rule's own keys must not repeat, not even as blocks: a second `denied_parameters { }` would hide the first. */
function uniqueEntries(body: HclObject): readonly HclEntry[] {
  const seen = new Set<string>();
  for (const { key, line } of body.entries) {
    if (seen.has(key)) throw new Mistake(`duplicate key "${key}" on line ${line}`);
    seen.add(key);
  }
  return body.entries;
}

function capability(name: string, entry: HclEntry): Capability {
  const known = CAPABILITIES.find((capability) => capability === name);
  if (!known) throw new Mistake(`invalid capability "${name}" on line ${entry.line}`);
  return known;
}

function legacyCapabilities(entry: HclEntry): readonly Capability[] {
  const policy = text(entry);
  const capabilities = LEGACY_POLICIES.get(policy);
  if (!capabilities) throw new Mistake(`invalid policy "${policy}" on line ${entry.line}`);
  return capabilities;
}

function parameterTable(entry: HclEntry): ParameterTable {
  const table = new Map<string, readonly Plain[]>();
  const bodies = entry.value.kind === 'list' ? entry.value.items : [entry.value];
  for (const body of bodies) {
    if (body.kind !== 'object') throw unexpected(entry, 'a table of parameters', body);
    for (const parameter of body.entries) {
      const name = parameter.key.toLowerCase();
      if (table.has(name)) throw new Mistake(`duplicate parameter "${name}" on line ${parameter.line}`);
      table.set(name, listed(parameter.value).map(plain));
    }
  }
  return table;
}

const parameterNames = (entry: HclEntry) => texts(entry).map((name) => name.toLowerCase());

function seconds(entry: HclEntry): number {
  if (entry.value.kind !== 'string' && entry.value.kind !== 'number') {
    throw unexpected(entry, 'a duration', entry.value);
  }
  try {
    const duration = parseDuration(entry.value.value);
    if (duration >= 0) return duration;
  } catch {
    // The message below says it with the place.
  }
  throw new Mistake(`"${entry.key}" on line ${entry.line} is not a duration such as 30, "30s" or "1h"`);
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

function instant(entry: HclEntry): number {
  const given = text(entry);
  const ms = RFC3339.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(ms))
    throw new Mistake(`"expiration" on line ${entry.line} is not a time in RFC 3339 format`);
  return ms;
}

function count(entry: HclEntry): number {
  const { value } = entry;
  if (value.kind !== 'number') throw unexpected(entry, 'a number', value);
  if (!Number.isSafeInteger(value.value) || value.value < 0) {
    throw new Mistake(`"${entry.key}" on line ${entry.line} must be a whole number from 0`);
  }
  return value.value;
}

function keysFilter(entry: HclEntry): string {
  const template = text(entry);
  try {
    parseKeysFilter(template);
  } catch (error) {
    throw new Mistake(
      `"${entry.key}" on line ${entry.line}: ${error instanceof Error ? error.message : error}`,
    );
  }
  return template;
}

function text(entry: HclEntry): string {
  if (entry.value.kind !== 'string') throw unexpected(entry, 'a string', entry.value);
  return entry.value.value;
}

function texts(entry: HclEntry): string[] {
  return listed(entry.value).map((item) => {
    if (item.kind !== 'string') throw unexpected(entry, 'a list of strings', item);
    return item.value;
  });
}

/** HCL 1 takes a single value for a list of one. */
function listed(value: HclValue): readonly HclValue[] {
  return value.kind === 'list' ? value.items : [value];
}

function unexpected(entry: HclEntry, wanted: string, found: HclValue): Mistake {
  return new Mistake(`"${entry.key}" on line ${entry.line} must be ${wanted}, not ${describe(found)}`);
}
