/** How often something was seen: `count` at most, `count - error` at least. */
export interface Tally {
  readonly key: string;
  readonly count: number;
  readonly error: number;
}

/**
 * The keys that are seen most, in bounded memory ("space saving", Metwally et al. 2005): a key that there is no room for takes the
 * place of the rarest and inherits its count as possible error. Whatever is seen more often than one in `keysMax` times is in it.
 */
export class Sketch {
  readonly #tallies = new Map<string, { key: string; count: number; error: number }>();
  readonly #keysMax: number;

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** Nothing had to make room: all counts are exact, and nothing is missing. */
  get exact(): boolean {
    return this.#tallies.size < this.#keysMax;
  }

  /** Do not keep it. */
  add(key: string): Tally {
    const known = this.#tallies.get(key);
    if (known) {
      known.count++;
      return known;
    }
    const tally = { key, count: 1, error: 0 };
    if (!this.exact) {
      const rarest = this.#rarest();
      this.#tallies.delete(rarest.key);
      tally.count = rarest.count + 1;
      tally.error = rarest.count;
    }
    this.#tallies.set(key, tally);
    return tally;
  }

  get(key: string): Tally | undefined {
    return this.#tallies.get(key);
  }

  /** The most first. */
  top(): Tally[] {
    return [...this.#tallies.values()].sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
  }

  #rarest(): Tally {
    let rarest: Tally | undefined;
    for (const tally of this.#tallies.values()) if (!rarest || tally.count < rarest.count) rarest = tally;
    if (!rarest) throw new Error('a sketch without room');
    return rarest;
  }
}
