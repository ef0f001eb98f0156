import { bytesOfBase64 } from '../../base/base64.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { aesCmac } from '../../crypto/cmac.ts';
import { equalSecrets } from '../../crypto/compare.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { type Input, integer, text } from '../../engine/fields.ts';
import { batchFields, reference, runBatch } from './batch.ts';
import { decodedText, keyName, keyVersion, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { parseVersioned, versioned } from './versioned.ts';

const BYTES = 16;

export const macLength = integer({ description: 'Bytes of the code, of 16 if not given or 0.' });

const itemFields = {
  input: text({ description: 'Base64 of the message.', secret: true }),
  key_version: keyVersion,
  mac_length: macLength,
  reference,
};

export function cmacPaths(keys: Keys): EnginePath[] {
  return ['cmac/{name}', 'cmac/{name}/{url_mac_length}'].map((pattern) =>
    path({
      pattern,
      summary: 'Makes a CMAC by a key of type aes128-cmac, aes192-cmac or aes256-cmac; verify checks it.',
      fields: {
        name: keyName,
        ...itemFields,
        ...batchFields,
        url_mac_length: integer({ description: 'Bytes of the code, in the path.' }),
      },
      operations: {
        write: {
          slow: true,
          handler(context, input) {
            const key = usableKey(keys, context.view, input.name);
            const { key_version: version, url_mac_length: length, mac_length: given } = input;
            return runBatch(context, {
              fields: itemFields,
              single: input,
              batch: input.batch_input,
              work: (item) =>
                cmacItem(key, {
                  ...item,
                  key_version: item.key_version ?? version,
                  mac_length: length ?? item.mac_length ?? given,
                }),
            });
          },
        },
      },
    }),
  );
}

function cmacItem(key: Key, item: Input<typeof itemFields>) {
  if (item.input === undefined) throw new InvalidRequest('missing input for CMAC');
  checkType(key);
  const version = key.versionToUse(item.key_version);
  const code = aesCmac(version.secretKey, decodedText(item.input, 'input'));
  const shown = code.subarray(0, bytesOf(item.mac_length)).toString('base64');
  return { cmac: versioned(version.number, shown) };
}

/** Whether `code` is the CMAC of `message`, of the length that is asked for. Throws `InvalidRequest` for what is none at all. */
export function isCmac(
  key: Key,
  message: Uint8Array,
  { code, length }: { code: string; length: number | undefined },
): boolean {
  checkType(key);
  const { version, encoded } = parseVersioned(code, 'CMAC');
  const bytes = bytesOfBase64(encoded);
  if (!bytes) throw new InvalidRequest('unable to decode verification string as base64');
  const expected = aesCmac(key.versionToOpen(version).secretKey, message).subarray(0, bytesOf(length));
  return equalSecrets(expected, bytes);
}

function checkType({ type }: Key): void {
  if (type.mac !== 'cmac') throw new InvalidRequest(`keys of type ${type.name} make no CMACs`);
}

function bytesOf(length: number | undefined): number {
  if (length === undefined || length === 0) return BYTES;
  if (length < 1 || length > BYTES) throw new InvalidRequest(`mac_length must be 1 to ${BYTES}`);
  return length;
}
