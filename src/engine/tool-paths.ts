import { hash } from 'node:crypto';
import { bytesOfBase64 } from '../base/base64.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { DIGESTS } from '../crypto/digests.ts';
import { type EnginePath, path } from './engine.ts';
import { integer, text } from './fields.ts';
import type { Reply } from './reply.ts';

const RANDOM_BYTES_MAX = 128 * 1024;
const SOURCES: ReadonlySet<string> = new Set(['platform', 'seal', 'all']);

/** Where the data stands in replies: `sys/` has it at the top as well. */
type Shape = Pick<Reply, 'topLevel'>;

/** `random` and its longer forms; `base` begins the patterns: '' or `tools/`. */
export function randomPaths(base: string, shape: Shape = {}): EnginePath[] {
  const fields = {
    bytes: integer({ description: 'How many bytes.', default: 32 }),
    format: text({ description: 'hex or base64.', default: 'base64' }),
    source: text({
      description: 'Where from: platform, seal or all; all are this machine’s.',
      default: 'platform',
    }),
    urlbytes: text({ description: 'How many bytes, in the path.', segment: /^-?\d+$/ }),
  };
  return ['random', 'random/{urlbytes}', 'random/{source}', 'random/{source}/{urlbytes}'].map((pattern) =>
    path({
      pattern: base + pattern,
      summary: 'Draws random bytes.',
      fields,
      operations: { write: { handler: ({ random }, input) => ({ ...shape, data: draw(random, input) }) } },
    }),
  );
}

function draw(
  random: Random,
  input: { bytes: number; urlbytes?: string | undefined; source: string; format: string },
) {
  const count = input.urlbytes === undefined ? input.bytes : Number(input.urlbytes);
  if (!Number.isSafeInteger(count)) throw new InvalidRequest('error parsing url-set byte count');
  if (count < 1) throw new InvalidRequest('"bytes" cannot be less than 1');
  if (count > RANDOM_BYTES_MAX) throw new InvalidRequest(`"bytes" should be less than ${RANDOM_BYTES_MAX}`);
  if (!SOURCES.has(input.source))
    throw new InvalidRequest(
      `unsupported entropy source ${JSON.stringify(input.source)}; must be "platform" or "seal", or "all"`,
    );
  return { random_bytes: encode(random.bytes(count), input.format) };
}

/** `hash` and `hash/:urlalgorithm`. */
export function hashPaths(base: string, shape: Shape = {}): EnginePath[] {
  const fields = {
    algorithm: text({ description: 'sha2-224 to sha2-512 or sha3-224 to sha3-512.', default: 'sha2-256' }),
    urlalgorithm: text({ description: 'The algorithm, in the path.' }),
    format: text({ description: 'hex or base64.', default: 'hex' }),
    input: text({ description: 'The data, in base64.' }),
  };
  return ['hash', 'hash/{urlalgorithm}'].map((pattern) =>
    path({
      pattern: base + pattern,
      summary: 'Hashes what is sent.',
      fields,
      operations: { write: { handler: (_, input) => ({ ...shape, data: hashed(input) }) } },
    }),
  );
}

function hashed(input: {
  algorithm: string;
  urlalgorithm?: string | undefined;
  format: string;
  input?: string | undefined;
}) {
  const name = input.urlalgorithm ?? input.algorithm;
  const digest = DIGESTS.get(name);
  if (!digest) throw new InvalidRequest(`unsupported algorithm ${name}`);
  const data = bytesOfBase64(input.input ?? '');
  if (!data) throw new InvalidRequest('unable to decode input as base64: illegal base64 data');
  return { sum: encode(hash(digest.node, data, 'buffer'), input.format) };
}

function encode(bytes: Buffer, format: string): string {
  if (format !== 'hex' && format !== 'base64')
    throw new InvalidRequest(
      `unsupported encoding format ${JSON.stringify(format)}; must be "hex" or "base64"`,
    );
  return bytes.toString(format);
}
