/**
 * Which of many path patterns decides about a path. A pattern is exact, or ends in `*` (prefix), or has `+` segments,
 * or both. The priority is the documented one; it is total, so there is never more than one answer.
 */
export interface PathPattern {
  readonly path: string;
  /** Where the first `+` segment or the last `*` stands; Infinity for an exact path. */
  readonly firstWildcard: number;
  readonly isPrefix: boolean;
  readonly plusCount: number;
}

export function pathPattern(path: string): PathPattern {
  const isPrefix = path.endsWith('*');
  const plain = isPrefix ? path.slice(0, -1) : path;
  let firstWildcard = isPrefix ? plain.length : Number.POSITIVE_INFINITY;
  let plusCount = 0;
  let start = 0;
  for (const segment of plain.split('/')) {
    if (segment === '+') {
      plusCount++;
      firstWildcard = Math.min(firstWildcard, start);
    }
    start += segment.length + 1;
  }
  return { path, firstWildcard, isPrefix, plusCount };
}

/** Whether `a` goes before `b` when both match. */
export function outranks(a: PathPattern, b: PathPattern): boolean {
  if (a.firstWildcard !== b.firstWildcard) return a.firstWildcard > b.firstWildcard;
  if (a.isPrefix !== b.isPrefix) return b.isPrefix;
  if (a.plusCount !== b.plusCount) return a.plusCount < b.plusCount;
  if (a.path.length !== b.path.length) return a.path.length > b.path.length;
  return a.path > b.path;
}

/** Finds the deciding pattern; `listing` lets patterns without the trailing slash of a list match as well. */
export interface PatternIndex<P extends PathPattern> {
  find(path: string, listing: boolean): P | undefined;
}

export function indexPatterns<P extends PathPattern>(patterns: Iterable<P>): PatternIndex<P> {
  const exact = new Map<string, P>();
  const wild = newNode<P>();
  let wildCount = 0;
  for (const pattern of patterns) {
    if (pattern.firstWildcard === Number.POSITIVE_INFINITY) exact.set(pattern.path, pattern);
    else {
      insert(wild, pattern);
      wildCount++;
    }
  }
  return {
    find(path, listing) {
      const found = exact.get(path);
      if (found) return found;
      if (listing && path.endsWith('/')) {
        const withoutSlash = exact.get(path.slice(0, -1));
        if (withoutSlash) return withoutSlash;
      }
      return wildCount > 0 ? bestBelow(wild, path, 0, listing, undefined) : undefined;
    },
  };
}

/** A place in the tree of path segments. */
interface Node<P> {
  readonly children: Map<string, Node<P>>;
  plus: Node<P> | undefined;
  /** The pattern that ends here, without `*`. */
  here: P | undefined;
  /** Prefix patterns by what of the next segment they name, longest first. */
  readonly prefixes: Map<string, P>;
  prefixLengths: number[];
}

function newNode<P>(): Node<P> {
  return { children: new Map(), plus: undefined, here: undefined, prefixes: new Map(), prefixLengths: [] };
}

function insert<P extends PathPattern>(root: Node<P>, pattern: P): void {
  const segments = (pattern.isPrefix ? pattern.path.slice(0, -1) : pattern.path).split('/');
  const partial = pattern.isPrefix ? segments.pop()! : '';
  let node = root;
  for (const segment of segments) {
    let next = segment === '+' ? node.plus : node.children.get(segment);
    if (!next) {
      next = newNode<P>();
      if (segment === '+') node.plus = next;
      else node.children.set(segment, next);
    }
    node = next;
  }
  if (!pattern.isPrefix) {
    node.here = pattern;
    return;
  }
  node.prefixes.set(partial, pattern);
  if (!node.prefixLengths.includes(partial.length)) {
    node.prefixLengths = [...node.prefixLengths, partial.length].sort((a, b) => b - a);
  }
}

/** The best of `best` and what matches the rest of `path` from `start` below `node`. */
function bestBelow<P extends PathPattern>(
  node: Node<P>,
  path: string,
  start: number,
  listing: boolean,
  best: P | undefined,
): P | undefined {
  const slash = path.indexOf('/', start);
  const end = slash === -1 ? path.length : slash;
  let found = better(best, longestPrefix(node, path, start, end));
  // A list of `a/b/` may be decided by a pattern that ends in `b`.
  if (listing && start === path.length && start > 0) found = better(found, node.here);
  if (node.children.size > 0) {
    const child = node.children.get(path.slice(start, end));
    if (child) found = bestAfterSegment(child, path, slash, listing, found);
  }
  return node.plus ? bestAfterSegment(node.plus, path, slash, listing, found) : found;
}

function bestAfterSegment<P extends PathPattern>(
  node: Node<P>,
  path: string,
  slash: number,
  listing: boolean,
  best: P | undefined,
): P | undefined {
  return slash === -1 ? better(best, node.here) : bestBelow(node, path, slash + 1, listing, best);
}

function longestPrefix<P>(node: Node<P>, path: string, start: number, end: number): P | undefined {
  for (const length of node.prefixLengths) {
    if (start + length > end) continue;
    const found = node.prefixes.get(path.slice(start, start + length));
    if (found) return found;
  }
  return undefined;
}

function better<P extends PathPattern>(a: P | undefined, b: P | undefined): P | undefined {
  if (!a || !b) return a ?? b;
  return outranks(b, a) ? b : a;
}
