import { hash } from 'node:crypto';
import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { integer, text } from '../engine/fields.ts';
import type { Reply } from '../engine/reply.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

const ALGORITHMS = new Map([
  ['sha2-224', 'sha224'],
  ['sha2-256', 'sha256'],
  ['sha2-384', 'sha384'],
  ['sha2-512', 'sha512'],
  ['sha3-224', 'sha3-224'],
  ['sha3-256', 'sha3-256'],
  ['sha3-384', 'sha3-384'],
  ['sha3-512', 'sha3-512'],
]);
const RANDOM_BYTES_MAX = 128 * 1024;
const SOURCES = new Set(['platform', 'seal', 'all']);

/** `sys/tools/random` and `sys/tools/hash`. */
export function toolPaths({ random }: SystemParts): EnginePath[] {
  const draw = (input: {
    bytes: number;
    urlbytes?: string | undefined;
    source: string;
    format?: string | undefined;
  }): Reply => {
    const count = input.urlbytes === undefined ? input.bytes : Number(input.urlbytes);
    if (!Number.isSafeInteger(count)) throw new InvalidRequest('error parsing url-set byte count');
    if (count < 1) throw new InvalidRequest('"bytes" cannot be less than 1');
    if (count > RANDOM_BYTES_MAX) throw new InvalidRequest(`"bytes" should be less than ${RANDOM_BYTES_MAX}`);
    if (!SOURCES.has(input.source))
      throw new InvalidRequest(
        `unsupported entropy source ${JSON.stringify(input.source)}; must be "platform" or "seal", or "all"`,
      );
    return {
      data: { random_bytes: encode(random.bytes(count), input.format ?? 'base64') },
      topLevel: 'also',
    };
  };
  const randomFields = {
    bytes: integer({ description: 'How many bytes.', default: 32 }),
    format: text({ description: 'hex or base64.', default: 'base64' }),
    source: text({
      description: 'Where from: platform, seal or all; all are this machine’s.',
      default: 'platform',
    }),
    urlbytes: text({ description: 'How many bytes, in the path.', segment: /^-?\d+$/ }),
  };
  const randomPath = (pattern: string) =>
    systemPath({
      pattern,
      summary: 'Draws random bytes.',
      fields: randomFields,
      operations: { write: { handler: (_, input) => draw(input) } },
    });
  return [
    randomPath('tools/random'),
    randomPath('tools/random/{urlbytes}'),
    randomPath('tools/random/{source}'),
    randomPath('tools/random/{source}/{urlbytes}'),
    hashPath('tools/hash'),
    hashPath('tools/hash/{urlalgorithm}'),
  ];
}

function hashPath(pattern: string): EnginePath {
  return systemPath({
    pattern,
    summary: 'Hashes what is sent.',
    fields: {
      algorithm: text({ description: 'sha2-224 to sha2-512 or sha3-224 to sha3-512.', default: 'sha2-256' }),
      urlalgorithm: text({ description: 'The algorithm, in the path.' }),
      format: text({ description: 'hex or base64.', default: 'hex' }),
      input: text({ description: 'The data, in base64.' }),
    },
    operations: {
      write: {
        handler(_, input) {
          const algorithm = ALGORITHMS.get(input.urlalgorithm ?? input.algorithm);
          if (!algorithm)
            throw new InvalidRequest(`unsupported algorithm ${input.urlalgorithm ?? input.algorithm}`);
          const data = input.input ?? '';
          if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data) || data.length % 4 !== 0)
            throw new InvalidRequest('unable to decode input as base64: illegal base64 data');
          return {
            data: { sum: encode(hash(algorithm, Buffer.from(data, 'base64'), 'buffer'), input.format) },
            topLevel: 'also',
          };
        },
      },
    },
  });
}

function encode(bytes: Buffer, format: string): string {
  if (format !== 'hex' && format !== 'base64')
    throw new InvalidRequest(
      `unsupported encoding format ${JSON.stringify(format)}; must be "hex" or "base64"`,
    );
  return bytes.toString(format);
}
