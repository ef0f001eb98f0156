import { InvalidRequest } from '../base/errors.ts';

/**
 * Vault's filter expressions: `selector == value`, `!=`, `value in selector`, `selector contains value`,
 * `selector is empty`, `selector matches regex`, each with its `not` form, joined by `not`, `and`, `or` (binding in
 * this order) and parentheses. A selector is a dotted name or a quoted JSON pointer; values are words, numbers or quoted.
 */
export interface Filter {
  matches(select: Select): boolean;
}

/** The value at a path of member names; undefined when there is none. */
export type Select = (path: readonly string[]) => unknown;

const LENGTH_MAX = 4096;
const DEPTH_MAX = 32;

/** Throws `InvalidRequest`. With `selectors`, only these (single) names are known. */
export function parseFilter(text: string, selectors?: readonly string[]): Filter {
  if (text.length > LENGTH_MAX) throw new InvalidRequest(`filter is longer than ${LENGTH_MAX} characters`);
  const parser = new Parser(tokensOf(text), selectors);
  const test = parser.parse();
  return { matches: test };
}

type Test = (select: Select) => boolean;
interface Token {
  readonly text: string;
  readonly kind: 'word' | 'quoted' | 'symbol';
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:("(?:[^"\\]|\\.)*"|`[^`]*`)|(==|!=|[()])|([^\s()"`=!]+))/y;
  while (text.slice(pattern.lastIndex).trim() !== '') {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match)
      throw new InvalidRequest(`filter cannot be read at ${JSON.stringify(text.slice(at, at + 20))}`);
    const [, quoted, symbol, word] = match;
    if (quoted !== undefined) tokens.push({ text: unquoted(quoted), kind: 'quoted' });
    else if (symbol !== undefined) tokens.push({ text: symbol, kind: 'symbol' });
    else tokens.push({ text: word!, kind: 'word' });
  }
  return tokens;
}

function unquoted(quoted: string): string {
  if (quoted.startsWith('`')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw new InvalidRequest(`filter has an unreadable string ${quoted}`);
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #selectors: readonly string[] | undefined;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], selectors: readonly string[] | undefined) {
    this.#tokens = tokens;
    this.#selectors = selectors;
  }

  parse(): Test {
    const test = this.#either();
    if (this.#at < this.#tokens.length) throw this.#unexpected();
    return test;
  }

  #either(): Test {
    const tests = [this.#all()];
    while (this.#take('or')) tests.push(this.#all());
    return tests.length === 1 ? tests[0]! : (select) => tests.some((test) => test(select));
  }

  #all(): Test {
    const tests = [this.#negatable()];
    while (this.#take('and')) tests.push(this.#negatable());
    return tests.length === 1 ? tests[0]! : (select) => tests.every((test) => test(select));
  }

  #negatable(): Test {
    if (++this.#depth > DEPTH_MAX) throw new InvalidRequest('filter is nested too deeply');
    try {
      if (this.#take('not')) return negated(this.#negatable());
      if (!this.#take('(')) return this.#comparison();
      const test = this.#either();
      if (!this.#take(')')) throw this.#unexpected();
      return test;
    } finally {
      this.#depth -= 1;
    }
  }

  /** Which side is the selector is only known at the operator: `value in selector`, but `selector == value`. */
  #comparison(): Test {
    const left = this.#operand();
    const negative = this.#take('not');
    if (this.#take('in')) return this.#held(this.#selector(this.#operand()), left.text, negative);
    if (this.#take('contains')) return this.#held(this.#selector(left), this.#operand().text, negative);
    if (this.#take('matches')) return this.#matched(this.#selector(left), this.#operand().text, negative);
    if (negative) throw this.#unexpected();
    if (this.#take('==')) return equal(this.#selector(left), this.#operand().text);
    if (this.#take('!=')) return negated(equal(this.#selector(left), this.#operand().text));
    if (!this.#take('is')) throw this.#unexpected();
    const notEmpty = this.#take('not');
    if (!this.#take('empty')) throw this.#unexpected();
    const empty = isEmpty(this.#selector(left));
    return notEmpty ? negated(empty) : empty;
  }

  #held(path: readonly string[], value: string, negative: boolean): Test {
    const test: Test = (select) => holds(select(path), value);
    return negative ? negated(test) : test;
  }

  #matched(path: readonly string[], source: string, negative: boolean): Test {
    let pattern: RegExp;
    try {
      pattern = new RegExp(source, 'u');
    } catch {
      throw new InvalidRequest(`filter has an invalid regular expression ${JSON.stringify(source)}`);
    }
    const test: Test = (select) => {
      const value = select(path);
      return value !== undefined && pattern.test(String(value));
    };
    return negative ? negated(test) : test;
  }

  #selector({ text, kind }: Token): readonly string[] {
    const path = kind === 'quoted' ? pointerPath(text) : text.split('.');
    if (path.some((name) => name === '') || path.length === 0) {
      throw new InvalidRequest(`filter has an invalid selector ${JSON.stringify(text)}`);
    }
    if (this.#selectors && (path.length !== 1 || !this.#selectors.includes(path[0]!))) {
      throw new InvalidRequest(
        `filter has an unknown selector ${JSON.stringify(text)}: use one of ${this.#selectors.join(', ')}`,
      );
    }
    return path;
  }

  #operand(): Token {
    const token = this.#tokens[this.#at];
    if (!token || token.kind === 'symbol') throw this.#unexpected();
    this.#at += 1;
    return token;
  }

  #take(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.text !== text || token.kind === 'quoted') return false;
    this.#at += 1;
    return true;
  }

  #unexpected(): InvalidRequest {
    const token = this.#tokens[this.#at];
    return new InvalidRequest(
      token ? `filter is wrong at ${JSON.stringify(token.text)}` : 'filter ends too early',
    );
  }
}

/** The members a JSON pointer (RFC 6901) names; without its leading slash it counts as one name. */
export function pointerPath(pointer: string): string[] {
  const parts = pointer.startsWith('/') ? pointer.slice(1).split('/') : [pointer];
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function negated(test: Test): Test {
  return (select) => !test(select);
}

function equal(path: readonly string[], value: string): Test {
  return (select) => {
    const selected = select(path);
    return (
      selected !== undefined &&
      selected !== null &&
      typeof selected !== 'object' &&
      String(selected) === value
    );
  };
}

function isEmpty(path: readonly string[]): Test {
  return (select) => {
    const value = select(path);
    if (value === undefined || value === null || value === '') return true;
    return typeof value === 'object' && Object.keys(value).length === 0;
  };
}

function holds(value: unknown, part: string): boolean {
  if (typeof value === 'string') return value.includes(part);
  if (Array.isArray(value)) return value.some((item) => String(item) === part);
  return typeof value === 'object' && value !== null && Object.hasOwn(value, part);
}
