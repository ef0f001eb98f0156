/** What the server and the process that holds a PKCS#11 library say to each other: one request, one answer, in JSON. */

/** Bytes are base64. */
export interface TokenRequest {
  readonly lib: string;
  /** Decimal. */
  readonly slot?: string | undefined;
  readonly tokenLabel?: string | undefined;
  readonly pin: string;
  readonly keyLabel?: string | undefined;
  /** Hexadecimal. */
  readonly keyId?: string | undefined;
  /** `CKM_…` as a number; absent: the best there is for the key. */
  readonly mechanism?: number | undefined;
  readonly oaepHash: string;
  /** Makes the key if there is none. */
  readonly generate: boolean;
  readonly writes: boolean;
  readonly operation: { readonly encrypt: string } | { readonly decrypt: TokenCiphertext };
}

/** What the token made, and all that is needed to undo it. */
export interface TokenCiphertext {
  readonly mechanism: number;
  readonly iv?: string | undefined;
  readonly oaepHash?: string | undefined;
  readonly bytes: string;
}

export type TokenAnswer =
  | { readonly encrypted: TokenCiphertext }
  | { readonly decrypted: string }
  | { readonly error: string; readonly code: string };

/** The file descriptor of the answer: libraries like to print to standard output. */
export const ANSWER_FD = 3;
