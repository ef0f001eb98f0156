import { isSameEnvelope } from './envelope.ts';

interface Entry {
  /** The one it was last found for: the store gives the same object again while it remembers it. */
  envelope: Uint8Array;
  readonly bytes: number;
  text: string | undefined;
  value: unknown;
}

/** What an entry costs beside its text and key. */
const ENTRY_BYTES = 200;

/**
 * What was decrypted lately, by key. An entry counts only for the very envelope it came from, which the caller has
 * just read: so nothing ever needs to be invalidated, whoever wrote.
 *
 * Two generations instead of an exact order of use: the older one is dropped when the newer is full, and what is
 * used meanwhile moves over. A hit costs one look-up.
 */
export class PlaintextCache {
  readonly #generationBytes: number;
  #young = new Map<string, Entry>();
  #old = new Map<string, Entry>();
  #youngBytes = 0;

  constructor(bytesMax: number) {
    this.#generationBytes = bytesMax / 2;
  }

  /** The parsed value, frozen and shared; undefined when it is not known. */
  get(key: string, envelope: Uint8Array): { readonly value: unknown } | undefined {
    let entry = this.#young.get(key);
    if (!entry) {
      entry = this.#old.get(key);
      if (!entry) return undefined;
      this.#old.delete(key);
      this.#add(key, entry);
    }
    if (entry.envelope !== envelope) {
      if (!isSameEnvelope(entry.envelope, envelope)) return undefined;
      entry.envelope = envelope;
    }
    if (entry.text !== undefined) {
      entry.value = deepFrozen(JSON.parse(entry.text));
      entry.text = undefined;
    }
    return entry;
  }

  /** Remembers JSON text that was just encrypted; it is parsed when somebody asks. */
  addText(key: string, envelope: Uint8Array, text: string): void {
    this.#add(key, { envelope, bytes: sizeOf(key, text), text, value: undefined });
  }

  /** Parses, freezes and remembers JSON text that was just decrypted. Throws `SyntaxError`. */
  addParsed(key: string, envelope: Uint8Array, text: string): unknown {
    const value = deepFrozen(JSON.parse(text));
    this.#add(key, { envelope, bytes: sizeOf(key, text), text: undefined, value });
    return value;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#youngBytes = 0;
  }

  #add(key: string, entry: Entry): void {
    if (entry.bytes > this.#generationBytes) return;
    this.#youngBytes += entry.bytes - (this.#young.get(key)?.bytes ?? 0);
    this.#young.set(key, entry);
    if (this.#youngBytes <= this.#generationBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

/** Parsed JSON takes a few times its text, the envelope about as much as it. */
function sizeOf(key: string, text: string): number {
  return ENTRY_BYTES + key.length + text.length * 4;
}

function deepFrozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) deepFrozen(inner);
  return Object.freeze(value);
}
