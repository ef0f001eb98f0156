import { InvalidRequest } from '../base/errors.ts';
import { isRecord } from '../base/json.ts';
import { type Filter, parseFilter, pointerPath } from './filter.ts';

/** One object of a device's `exclude` option: fields that are left out of the entries it applies to. */
export interface Exclusion {
  /** Looks at the entry as it would be written; absent: every entry. */
  readonly condition: Filter | undefined;
  /** Paths of member names. */
  readonly fields: readonly (readonly string[])[];
}

/** Reads the option: JSON `[{"condition": "…", "fields": ["/json/pointer"]}]`. Throws `InvalidRequest`. */
export function parseExclusions(text: string): Exclusion[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (!Array.isArray(parsed)) throw new InvalidRequest('exclude must be a JSON array of objects');
  return parsed.map(parseExclusion);
}

/** The entry (JSON text) without what the exclusions name. Conditions all look at the entry as it was before. */
export function excludeFrom(entryJson: string, exclusions: readonly Exclusion[]): string {
  const entry: unknown = JSON.parse(entryJson);
  const select = (path: readonly string[]): unknown => at(entry, path);
  const applying = exclusions.filter(({ condition }) => !condition || condition.matches(select));
  if (applying.length === 0) return entryJson;
  for (const path of applying.flatMap(({ fields }) => fields)) {
    const parent = at(entry, path.slice(0, -1));
    if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, path.at(-1)!);
  }
  return JSON.stringify(entry);
}

function parseExclusion(value: unknown): Exclusion {
  if (!isRecord(value)) throw new InvalidRequest('exclude must be a JSON array of objects');
  const { condition = '', fields } = value;
  if (typeof condition !== 'string') throw new InvalidRequest('the condition of an exclusion must be text');
  if (!Array.isArray(fields) || fields.length === 0 || !fields.every(isPointer)) {
    throw new InvalidRequest('the fields of an exclusion must be JSON pointers such as "/response/data"');
  }
  return {
    condition: condition.trim() === '' ? undefined : parseFilter(condition),
    fields: fields.map((pointer: string) => pointerPath(pointer)),
  };
}

function isPointer(value: unknown): boolean {
  return typeof value === 'string' && /^(\/[^/]+)+$/.test(value);
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const name of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, name)) return undefined;
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}
