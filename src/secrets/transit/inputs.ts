import type { View } from '../../barrier/view.ts';
import { bytesOfBase64 } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { integer, name, text } from '../../engine/fields.ts';
import type { Key, Keys } from './key.ts';

/** Fields that many paths share. */
export const keyName = name('The key.');
export const context = text({ description: 'For derived keys: base64 of the context.', secret: true });
export const associatedData = text({
  description: 'Base64 of what is authenticated with the ciphertext but not part of it.',
});
export const nonce = text({ description: 'Not taken: nonces are chosen here.', deprecated: true });
export const keyVersion = integer({
  description: 'The version of the key to use; the latest if 0 or not given.',
});

/** Base64 of a request; '' and what was not sent are undefined. Throws `InvalidRequest`. */
export function decoded(base64: string | undefined, what: string): Buffer | undefined {
  if (!base64) return undefined;
  return decodedText(base64, what);
}

/** Base64 of a request that may be empty. Throws `InvalidRequest`. */
export function decodedText(base64: string, what: string): Buffer {
  const bytes = bytesOfBase64(base64);
  if (!bytes) throw new InvalidRequest(`failed to base64-decode ${what}`);
  return bytes;
}

/** A key that may be used. Throws `InvalidRequest`, with `missing` where there is none. */
export function usableKey(
  keys: Keys,
  view: View,
  keyName: string,
  missing = 'encryption key not found',
): Key {
  const key = keys.get(view, keyName);
  if (!key) throw new InvalidRequest(missing);
  checkUsable(key.record, keyName);
  return key;
}

/** Throws `InvalidRequest`. */
export function checkUsable({ softDeleted }: Key['record'], name: string): void {
  if (softDeleted) throw new InvalidRequest(`key ${name} is softly deleted; restore it to use it`);
}
