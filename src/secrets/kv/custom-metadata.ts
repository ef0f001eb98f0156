import { InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';

const KEYS_MAX = 64;
const KEY_BYTES_MAX = 128;
const VALUE_BYTES_MAX = 512;
const CONTROL = /\p{Cc}/u;

/** Checked against the limits of the API; null when there is none. Throws `InvalidRequest`. */
export function checkedCustomMetadata(given: UnknownRecord): Record<string, string> | null {
  const entries = Object.entries(given);
  if (entries.length === 0) return null;
  if (entries.length > KEYS_MAX) {
    throw invalid(`payload must contain at most ${KEYS_MAX} keys, provided ${entries.length}`);
  }
  const checked: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) {
    const named = JSON.stringify(key.slice(0, KEY_BYTES_MAX));
    checkText(`key ${named}`, key, KEY_BYTES_MAX);
    if (typeof value !== 'string') throw invalid(`value for key ${named} must be a string`);
    checkText(`value for key ${named}`, value, VALUE_BYTES_MAX);
    checked[key] = value;
  }
  return checked;
}

function checkText(what: string, given: string, bytesMax: number): void {
  const bytes = Buffer.byteLength(given);
  if (bytes === 0) throw invalid(`length of ${what} is 0`);
  if (bytes > bytesMax) throw invalid(`length of ${what} is ${bytes} but max allowed is ${bytesMax}`);
  if (CONTROL.test(given) || !given.isWellFormed()) throw invalid(`${what} contains unprintable characters`);
}

function invalid(reason: string): InvalidRequest {
  return new InvalidRequest(`custom_metadata validation failed: ${reason}`);
}
