import { HclError, type Position } from './tree.ts';

/** Characters of input a parser accepts; policies and configurations are far smaller. */
export const TEXT_LENGTH_MAX = 1024 * 1024;
/** How deep lists and objects may nest; deeper input is refused before it can exhaust the stack. */
export const DEPTH_MAX = 64;

/** A place in a text that moves forward only and knows its line. */
export class Cursor {
  readonly text: string;
  offset = 0;
  #line = 1;
  #lineStart = 0;
  #depth = 0;

  constructor(text: string) {
    this.text = text;
    if (text.length > TEXT_LENGTH_MAX) this.fail(`the text is longer than ${TEXT_LENGTH_MAX} characters`);
    if (text.startsWith('\ufeff')) this.offset = 1;
  }

  get done(): boolean {
    return this.offset >= this.text.length;
  }

  /** The character `ahead` of here; '' past the end. */
  peek(ahead = 0): string {
    return this.text[this.offset + ahead] ?? '';
  }

  position(): Position {
    return { line: this.#line, column: this.offset - this.#lineStart + 1 };
  }

  startsWith(part: string): boolean {
    return this.text.startsWith(part, this.offset);
  }

  /** Moves over `count` characters and returns them. */
  take(count = 1): string {
    const end = Math.min(this.offset + count, this.text.length);
    const taken = this.text.slice(this.offset, end);
    for (let at = taken.indexOf('\n'); at !== -1; at = taken.indexOf('\n', at + 1)) {
      this.#line++;
      this.#lineStart = this.offset + at + 1;
    }
    this.offset = end;
    return taken;
  }

  /** Moves over `part` if it is here. */
  skip(part: string): boolean {
    if (!this.startsWith(part)) return false;
    this.take(part.length);
    return true;
  }

  /** Moves over what a sticky pattern matches here; undefined when it does not match. */
  match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.offset;
    const found = sticky.exec(this.text);
    return found ? this.take(found[0].length) : undefined;
  }

  /** Runs `parse` one level deeper. */
  nested<T>(parse: () => T): T {
    if (this.#depth >= DEPTH_MAX) this.fail(`nested deeper than ${DEPTH_MAX} levels`);
    this.#depth++;
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  /** What is here, for messages. */
  found(): string {
    if (this.done) return 'the end of the text';
    const word = /[\w.-]{1,40}/y;
    word.lastIndex = this.offset;
    return JSON.stringify(
      word.exec(this.text)?.[0] ?? String.fromCodePoint(this.text.codePointAt(this.offset)!),
    );
  }

  expected(what: string): never {
    this.fail(`expected ${what}, found ${this.found()}`);
  }

  fail(reason: string, at: Position = this.position()): never {
    throw new HclError(at, reason);
  }
}
