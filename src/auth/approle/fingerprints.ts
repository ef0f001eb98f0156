import type { View } from '../../barrier/view.ts';
import type { Random } from '../../base/random.ts';
import { type HmacSha256, hmacSha256 } from '../../crypto/hmac.ts';

const KEY_NAME = 'fingerprint-key';
const KEY_BYTES = 32;

interface StoredKey {
  /** Base64. */
  readonly key: string;
}

/**
 * Names for role-ids and secret-ids in the store: HMACs under a key of the mount, so that neither lies there in clear
 * and any text will do as an id. The key is made with the mount's first role.
 */
export class Fingerprints {
  #key: string | undefined;
  #hmac: HmacSha256 = hmacSha256(Buffer.alloc(KEY_BYTES));

  /** Call before anything is stored under a fingerprint. */
  ensureKey(view: View, random: Random): void {
    if (view.get<StoredKey>(KEY_NAME) === undefined) {
      view.put(KEY_NAME, { key: random.bytes(KEY_BYTES).toString('base64') } satisfies StoredKey);
    }
  }

  ofRoleId(view: View, roleId: string): string {
    return this.#keyed(view).hex(`role-id:${roleId}`);
  }

  /** Bound to the role by its uid: another role's secret-id has another fingerprint. */
  ofSecretId(view: View, roleUid: string, secretId: string): string {
    return this.#keyed(view).hex(`secret-id:${roleUid}:${secretId}`);
  }

  /** The key is read every time, because the request that made it may have failed or another node restored an older one. */
  #keyed(view: View): HmacSha256 {
    const stored = view.get<StoredKey>(KEY_NAME);
    if (stored && stored.key !== this.#key) {
      this.#hmac.zero();
      this.#hmac = hmacSha256(Buffer.from(stored.key, 'base64'));
      this.#key = stored.key;
    }
    return this.#hmac;
  }
}
