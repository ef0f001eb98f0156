import { type HclEntry, HclError, type HclObject, type HclValue, type Position } from './tree.ts';

/** A block with its labels: `listener "tcp" { … }` has one. */
export interface Block extends Position {
  readonly labels: readonly string[];
  readonly body: HclObject;
}

/**
 * Every block called `name`, with exactly `labelCount` labels, however it was written: `path "a" { }`,
 * `path = { "a" = { } }`, or the JSON forms `{"path": {"a": {}}}` and `{"path": [{"a": {}}]}`. Throws `HclError`.
 */
export function blocks(body: HclObject, name: string, labelCount: number): Block[] {
  return body.entries
    .filter((entry) => entry.key === name)
    .flatMap((entry) => [...unfold(entry.value, name, labelCount, [], entry)]);
}

function* unfold(
  value: HclValue,
  name: string,
  labelsLeft: number,
  labels: readonly string[],
  at: Position,
): Iterable<Block> {
  if (value.kind === 'list') {
    for (const item of value.items) yield* unfold(item, name, labelsLeft, labels, item);
    return;
  }
  if (value.kind !== 'object') {
    throw new HclError(
      value,
      `expected "${name}" to be a block${labelsLeft > 0 ? ' with a label' : ''}, found ${describe(value)}`,
    );
  }
  if (labelsLeft === 0) {
    yield { labels, body: value, line: at.line, column: at.column };
    return;
  }
  for (const entry of value.entries) {
    yield* unfold(entry.value, name, labelsLeft - 1, [...labels, entry.key], entry);
  }
}

/** The entries by key, each key once: for bodies that hold attributes only. The last of repeated blocks is meant. */
export function attributes(body: HclObject): ReadonlyMap<string, HclEntry> {
  return new Map(body.entries.map((entry) => [entry.key, entry]));
}

/** The kind of a value, for messages. */
export function describe(value: HclValue): string {
  return value.kind === 'object' ? 'a block' : `a ${value.kind}`;
}

export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };

/** The value without positions; objects have no prototype. Of repeated blocks the last is taken. */
export function plain(value: HclValue): Plain {
  if (value.kind === 'list') return value.items.map(plain);
  if (value.kind !== 'object') return value.value;
  const object: Record<string, Plain> = Object.create(null);
  for (const entry of value.entries) object[entry.key] = plain(entry.value);
  return object;
}
