import { InvalidRequest } from '../base/errors.ts';

/** Where a node begins. Both count from 1; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface HclString extends Position {
  readonly kind: 'string';
  readonly value: string;
}
export interface HclNumber extends Position {
  readonly kind: 'number';
  readonly value: number;
  /** As written, for fields that care (file modes). */
  readonly source: string;
}
export interface HclBoolean extends Position {
  readonly kind: 'boolean';
  readonly value: boolean;
}
export interface HclList extends Position {
  readonly kind: 'list';
  readonly items: readonly HclValue[];
}
/** A body. Keys may repeat when their values are objects: those are blocks. */
export interface HclObject extends Position {
  readonly kind: 'object';
  readonly entries: readonly HclEntry[];
}
export type HclValue = HclString | HclNumber | HclBoolean | HclList | HclObject;

/** `key = value`. A labelled block `path "a" { … }` is the entry `path` whose object has the one entry `a`. */
export interface HclEntry extends Position {
  readonly key: string;
  readonly value: HclValue;
}

/** The text is not what it should be. The message starts with `At line:column: `. */
export class HclError extends InvalidRequest {
  readonly position: Position;
  /** The message without its position. */
  readonly reason: string;
  constructor(position: Position, reason: string) {
    super(`At ${position.line}:${position.column}: ${reason}`);
    this.position = { line: position.line, column: position.column };
    this.reason = reason;
  }
}

/** Collects the entries of one object; an attribute may be set only once, while blocks may repeat. */
export class EntryList {
  readonly entries: HclEntry[] = [];
  readonly #seen = new Map<string, HclValue['kind']>();

  add(entry: HclEntry): void {
    const before = this.#seen.get(entry.key);
    if (before !== undefined && (before !== 'object' || entry.value.kind !== 'object')) {
      throw new HclError(
        entry,
        `the argument "${entry.key}" was already set; each argument can only be defined once`,
      );
    }
    this.#seen.set(entry.key, entry.value.kind);
    this.entries.push(entry);
  }
}
