/** The API's names of hash functions, with Node's and their sizes in bytes. */
export interface Digest {
  readonly node: string;
  readonly bytes: number;
}

/** Those that hash, HMAC and new signatures may use. */
export const DIGESTS: ReadonlyMap<string, Digest> = new Map(
  ['sha2', 'sha3'].flatMap((family) =>
    [224, 256, 384, 512].map((bits): [string, Digest] => [
      `${family}-${bits}`,
      { node: family === 'sha2' ? `sha${bits}` : `sha3-${bits}`, bytes: bits / 8 },
    ]),
  ),
);
