/**
 * `list_scan_response_keys_filter_path`: which listed keys a caller is shown. The template names, for each key, the
 * path that must be readable (for folders: listable). It knows `.key`, `.path` and the text functions below.
 */

import type { Acl, AclRule } from './acl.ts';

/** The path to check for one listed key. */
export type KeysFilter = (listed: { path: string; key: string }) => string;

/** Compiles a template such as `{{ .path | replace "a/metadata/" "a/data/" }}{{ .key }}`. Throws Error. */
export function parseKeysFilter(template: string): KeysFilter {
  const parts: KeysFilter[] = [];
  let end = 0;
  for (const found of template.matchAll(/\{\{-?((?:"(?:[^"\\]|\\.)*"|[^"}])*)-?\}\}/g)) {
    const literal = checkedLiteral(template.slice(end, found.index));
    parts.push(() => literal, parsePipeline(found[1]!));
    end = found.index + found[0].length;
  }
  const rest = checkedLiteral(template.slice(end));
  return (listed) => parts.map((part) => part(listed)).join('') + rest;
}

/** Which of the listed `keys` under `path` (with trailing slash) the caller is shown; all when the rule has no filter. */
export function visibleKeys(
  acl: Acl,
  { rule, path, keys }: { rule: AclRule | undefined; path: string; keys: readonly string[] },
): readonly string[] {
  if (!rule?.keysFilter) return keys;
  const filter = parseKeysFilter(rule.keysFilter);
  return keys.filter((key) => {
    const operation = key.endsWith('/') ? 'list' : 'read';
    return acl.check({ path: filter({ path, key }), operation }).allowed;
  });
}

type TextFunction = (value: string, ...given: string[]) => string;

/** By name: how many arguments stand before the piped value, and what it does. */
const FUNCTIONS: ReadonlyMap<string, { arguments: number; apply: TextFunction }> = new Map([
  ['lowercase', { arguments: 0, apply: (value: string) => value.toLowerCase() }],
  ['uppercase', { arguments: 0, apply: (value: string) => value.toUpperCase() }],
  [
    'replace',
    { arguments: 2, apply: (value: string, from = '', to = '') => value.replaceAll(from, () => to) },
  ],
]);

function checkedLiteral(literal: string): string {
  if (literal.includes('{{') || literal.includes('}}')) throw new Error('a "{{" or "}}" stands alone');
  return literal;
}

function parsePipeline(source: string): KeysFilter {
  const words = source.match(/"(?:[^"\\]|\\.)*"|\||[^\s|"]+/g) ?? [];
  const [start, ...calls] = splitAtPipes(words);
  const variable = start?.length === 1 ? start[0] : undefined;
  if (variable !== '.key' && variable !== '.path') throw new Error('a template starts with .key or .path');
  const steps = calls.map(parseCall);
  return ({ path, key }) => steps.reduce((value, step) => step(value), variable === '.key' ? key : path);
}

function splitAtPipes(words: readonly string[]): string[][] {
  const groups: string[][] = [[]];
  for (const word of words) {
    if (word === '|') groups.push([]);
    else groups.at(-1)!.push(word);
  }
  return groups;
}

function parseCall([name = '', ...given]: string[]): (value: string) => string {
  const called = FUNCTIONS.get(name);
  if (!called) throw new Error(`unknown template function "${name}"`);
  if (given.length !== called.arguments) throw new Error(`"${name}" takes ${called.arguments} arguments`);
  const values = given.map((word) => {
    if (!word.startsWith('"')) throw new Error(`the arguments of "${name}" must be quoted`);
    return String(JSON.parse(word));
  });
  return (value) => called.apply(value, ...values);
}
