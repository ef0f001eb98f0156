/** Paths that no rate limit holds for; one that ends in `*` stands for all that begin so. */
export class PathSet {
  readonly #exact = new Set<string>();
  readonly #prefixes: string[] = [];

  constructor(paths: readonly string[]) {
    for (const path of paths.map((each) => each.replace(/^\/+/, ''))) {
      if (path.endsWith('*')) this.#prefixes.push(path.slice(0, -1));
      else this.#exact.add(path.replace(/\/+$/, ''));
    }
  }

  /** A last slash does not matter. */
  has(path: string): boolean {
    if (this.#exact.has(path.endsWith('/') ? path.slice(0, -1) : path)) return true;
    for (const prefix of this.#prefixes) if (path.startsWith(prefix)) return true;
    return false;
  }
}
