/** A client's requests in the window that runs. */
export interface Window {
  /** Monotonic milliseconds. */
  endsAtMs: number;
  used: number;
}

/** Clients that may be remembered one by one, over all quotas together. */
export class ClientRoom {
  /** Nobody shall know whose window he would share. */
  readonly seed: number;
  #left: number;
  constructor(clientsMax: number, seed: number) {
    this.#left = clientsMax;
    this.seed = seed;
  }
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
  give(): void {
    this.#left++;
  }
}

export interface WindowLimits {
  /** Requests in one window. */
  readonly limit: number;
  readonly windowMs: number;
  /** How long a client that went over is shut out; 0: until its window ends. */
  readonly blockMs: number;
}

/** Slots that clients share when there is no room to remember each. */
const SHARED_SLOTS = 1024;
/** Ended windows cleared away for each new one: more than one, so that what is remembered goes back to what is live. */
const CLEARED_PER_NEW = 2;

/**
 * How many requests each client has left. A window begins with a client's first request and takes `limit` of them.
 * Memory is bounded: when there is no room left, new clients share a fixed number of windows, so that who comes from many
 * addresses is limited all the more, and nobody who is shut out is forgotten.
 */
export class ClientWindows {
  readonly #limits: WindowLimits;
  readonly #room: ClientRoom;
  /** In the order in which they end, because all are equally long. */
  readonly #windows = new Map<string, Window>();
  readonly #blocked = new Map<string, Window>();
  readonly #shared: (Window | undefined)[] = [];

  constructor(limits: WindowLimits, room: ClientRoom) {
    this.#limits = limits;
    this.#room = room;
  }

  get size(): number {
    return this.#windows.size + this.#blocked.size;
  }

  /** Counts one request; the window has more `used` than the limit where it is refused. Do not keep the window. */
  take(client: string, nowMs: number): Window {
    const blocked = this.#blocked.get(client);
    if (blocked) {
      if (nowMs < blocked.endsAtMs) return blocked;
      this.#forget(this.#blocked, client);
    }
    const window = this.#windows.get(client);
    if (!window) return this.#first(client, nowMs);
    if (nowMs >= window.endsAtMs) {
      this.#windows.delete(client);
      this.#windows.set(client, window);
      this.#begin(window, nowMs);
      return window;
    }
    window.used++;
    if (window.used > this.#limits.limit && this.#limits.blockMs > 0) this.#block(client, window, nowMs);
    return window;
  }

  /** Gives back the room; the quota is gone. */
  clear(): void {
    for (let left = this.size; left > 0; left--) this.#room.give();
    this.#windows.clear();
    this.#blocked.clear();
  }

  #first(client: string, nowMs: number): Window {
    this.#clearEnded(this.#windows, nowMs);
    this.#clearEnded(this.#blocked, nowMs);
    if (!this.#room.take()) return this.#takeShared(client, nowMs);
    const window = { endsAtMs: nowMs + this.#limits.windowMs, used: 1 };
    this.#windows.set(client, window);
    return window;
  }

  #begin(window: Window, nowMs: number): void {
    window.used = 1;
    window.endsAtMs = nowMs + this.#limits.windowMs;
  }

  #block(client: string, window: Window, nowMs: number): void {
    this.#windows.delete(client);
    window.endsAtMs = nowMs + this.#limits.blockMs;
    this.#blocked.set(client, window);
  }

  #takeShared(client: string, nowMs: number): Window {
    const slot = slotOf(client, this.#room.seed);
    let window = this.#shared[slot];
    if (!window) this.#shared[slot] = window = { endsAtMs: 0, used: 0 };
    if (nowMs >= window.endsAtMs) {
      this.#begin(window, nowMs);
      return window;
    }
    window.used++;
    if (window.used === this.#limits.limit + 1 && this.#limits.blockMs > 0)
      window.endsAtMs = nowMs + this.#limits.blockMs;
    return window;
  }

  #clearEnded(windows: Map<string, Window>, nowMs: number): void {
    let cleared = 0;
    for (const [client, window] of windows) {
      if (cleared === CLEARED_PER_NEW || nowMs < window.endsAtMs) return;
      this.#forget(windows, client);
      cleared++;
    }
  }

  #forget(windows: Map<string, Window>, client: string): void {
    windows.delete(client);
    this.#room.give();
  }
}

/** FNV-1a, begun with the seed. */
function slotOf(client: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < client.length; at++) hash = Math.imul(hash ^ client.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % SHARED_SLOTS;
}
