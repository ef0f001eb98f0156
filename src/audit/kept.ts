const KEPT_MAX = 1024;

/** Results of a pure function for recent inputs; forgets all when full, which costs less than keeping their order. */
export class Kept<K, V> {
  readonly #compute: (key: K) => V;
  readonly #max: number;
  readonly #results = new Map<K, V>();
  constructor(compute: (key: K) => V, max = KEPT_MAX) {
    this.#compute = compute;
    this.#max = max;
  }
  get(key: K): V {
    let result = this.#results.get(key);
    if (result === undefined) {
      result = this.#compute(key);
      if (this.#results.size >= this.#max) this.#results.clear();
      this.#results.set(key, result);
    }
    return result;
  }
  clear(): void {
    this.#results.clear();
  }
}

/** The result for the last object. */
export class KeptLast<K extends object, V> {
  readonly #compute: (key: K) => V;
  #key: K | undefined;
  #result: V | undefined;
  constructor(compute: (key: K) => V) {
    this.#compute = compute;
  }
  get(key: K): V {
    if (this.#key === key && this.#result !== undefined) return this.#result;
    const result = this.#compute(key);
    this.#key = key;
    this.#result = result;
    return result;
  }
  clear(): void {
    this.#key = undefined;
    this.#result = undefined;
  }
}

/** The result for an object, as long as somebody holds the object. */
export class KeptFor<K extends object, V> {
  readonly #compute: (key: K) => V;
  readonly #results = new WeakMap<K, V>();
  constructor(compute: (key: K) => V) {
    this.#compute = compute;
  }
  get(key: K): V {
    let result = this.#results.get(key);
    if (result === undefined) {
      result = this.#compute(key);
      this.#results.set(key, result);
    }
    return result;
  }
}
