import type { EnginePath } from './engine.ts';

/** A path of an engine's table, with what its placeholders took. */
export interface Match {
  readonly path: EnginePath;
  readonly captures: Readonly<Record<string, string>>;
  /** The request path in the one spelling of all that lead here with these captures; without the slash that LIST has. */
  readonly canonicalPath: string;
}

interface Compiled {
  readonly path: EnginePath;
  readonly segments: readonly Segment[];
  /** Name of a last `{name...}`. */
  readonly rest: string | undefined;
  /** Where a `{name+}` stands, -1 without one. */
  readonly manyAt: number;
  /** Some placeholder has several spellings. */
  readonly spelled: boolean;
}
type Segment =
  | { readonly literal: string }
  | { readonly name: string; readonly accepts: RegExp | undefined; readonly many: boolean };

/** Finds the path of a table for a request path relative to the mount. Literal segments beat placeholders, placeholders beat `{rest...}`. */
export class PathTable {
  readonly #byFirst = new Map<string, Compiled[]>();
  readonly #other: Compiled[] = [];

  constructor(paths: readonly EnginePath[]) {
    for (const compiled of paths.map(compile).sort(bySpecificity)) {
      const first = compiled.segments[0];
      if (first && 'literal' in first) {
        const group = this.#byFirst.get(first.literal) ?? [];
        group.push(compiled);
        this.#byFirst.set(first.literal, group);
      } else this.#other.push(compiled);
    }
  }

  /** `requestPath` without leading slash; one trailing slash (LIST) does not matter except inside `{rest...}`. */
  match(requestPath: string): Match | undefined {
    const segments = requestPath.split('/');
    const trailing = segments.length > 1 && segments.at(-1) === '';
    if (trailing) segments.pop();
    for (const group of [this.#byFirst.get(segments[0]!), this.#other]) {
      for (const candidate of group ?? []) {
        const captures = capture(candidate, segments, trailing);
        if (!captures) continue;
        const plain = !trailing && !candidate.spelled;
        return {
          path: candidate.path,
          captures,
          canonicalPath: plain ? requestPath : canonicalPath(candidate, captures),
        };
      }
    }
    return undefined;
  }
}

function compile(path: EnginePath): Compiled {
  const parts = path.pattern === '' ? [] : path.pattern.split('/');
  const last = /^\{(\w+)\.\.\.\}$/.exec(parts.at(-1) ?? '');
  if (last) parts.pop();
  const segments = parts.map((part): Segment => {
    const placeholder = /^\{(\w+)(\+?)\}$/.exec(part);
    if (!placeholder) return { literal: part };
    const name = placeholder[1]!;
    const field = path.fields[name];
    if (!field) throw new Error(`path ${path.pattern} has no field ${name}`);
    return { name, accepts: field.segment, many: placeholder[2] === '+' };
  });
  const manyAt = segments.findIndex((segment) => 'many' in segment && segment.many);
  const names = segments.flatMap((segment) => ('name' in segment ? [segment.name] : []));
  const spelled = [...names, last?.[1] ?? ''].some((name) => path.fields[name]?.canonical !== undefined);
  return { path, segments, rest: last?.[1], manyAt, spelled };
}

function canonicalPath(
  { path, segments, rest }: Compiled,
  captures: Readonly<Record<string, string>>,
): string {
  const spelling = (name: string) => {
    const value = captures[name] ?? '';
    return String(path.fields[name]?.canonical?.(value) ?? value);
  };
  const parts = segments.map((segment) => ('literal' in segment ? segment.literal : spelling(segment.name)));
  const last = rest === undefined ? '' : spelling(rest);
  return [...parts, ...(last === '' ? [] : [last])].join('/');
}

function bySpecificity(a: Compiled, b: Compiled): number {
  const rank = (c: Compiled) =>
    c.segments.map((s) => ('literal' in s ? '0' : '1')).join('') + (c.rest ? '2' : '');
  return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0;
}

function capture(
  candidate: Compiled,
  segments: readonly string[],
  trailing: boolean,
): Record<string, string> | undefined {
  const count = candidate.segments.length;
  const empty = segments.length === 1 && segments[0] === '';
  const folded = candidate.manyAt < 0 ? segments : fold(segments, candidate.manyAt, count);
  const given = empty ? 0 : folded.length;
  if (candidate.rest === undefined ? given !== count : given < count) return undefined;
  const captures: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const want = candidate.segments[i]!;
    const got = folded[i]!;
    if ('literal' in want) {
      if (want.literal !== got) return undefined;
    } else {
      if (got === '' || (want.accepts && !want.accepts.test(got))) return undefined;
      captures[want.name] = got;
    }
  }
  if (candidate.rest !== undefined) {
    const rest = segments.slice(count).join('/');
    captures[candidate.rest] = trailing && rest !== '' ? `${rest}/` : rest;
  }
  return captures;
}

/** Joins what a `{name+}` at `at` takes, so that as many segments are left as the pattern has. */
function fold(segments: readonly string[], at: number, count: number): readonly string[] {
  const taken = segments.length - count + 1;
  if (taken <= 1) return segments;
  return [...segments.slice(0, at), segments.slice(at, at + taken).join('/'), ...segments.slice(at + taken)];
}
