import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { bytesOfBase64 } from '../../base/base64.ts';
import { systemRandom } from '../../base/random.ts';
import { wrapKey } from '../../crypto/key-wrap.ts';
import { type Command, type Context, command, group } from '../command.ts';
import { attempt, LocalError, UsageError } from '../errors.ts';
import { cleanPath, readData, readText } from '../input.ts';

interface Importing {
  readonly verb: 'import' | 'import-version';
  /** The last part of the API's path. */
  readonly endpoint: 'import' | 'import_version';
  readonly synopsis: string;
  readonly description: string;
}

const AES_KEY_BYTES = 32;

function importing({ verb, endpoint, synopsis, description }: Importing): Command {
  return command({
    name: `transit ${verb}`,
    synopsis,
    usage: `transit ${verb} [options] PATH KEY [K=V...]`,
    description: `
${description} The key is wrapped here and leaves this machine only so that the server alone can open it.

PATH is that of the key: mount, "keys" and its name. KEY is base64 of the raw bytes of a symmetric key, or of PKCS#8 in DER of a private one; "@file" reads it from a file. What follows goes with the request.

    $ coffer transit ${verb} transit/keys/test-key @test-key${verb === 'import' ? ' type=rsa-2048' : ''}`,
    uses: ['http'],
    flags: {},
    arguments: { min: 2 },
    async run(context) {
      const { mount, name } = keyPath(context.arguments[0]!);
      const material = keyMaterial(context.arguments[1]!);
      const more = await readData(context.arguments.slice(2), context.terminal);
      const ciphertext = await wrapped(context, mount, material);
      context.output.success('Submitting wrapped key to Vault transit.');
      const path = `${mount}/keys/${name}/${endpoint}`;
      const client = await context.client();
      const body = { hash_function: 'SHA256', ...more, ciphertext };
      await attempt(`failed to call ${endpoint}`, client.request('PUT', path, body));
      context.output.success('Success!');
      return 0;
    },
  });
}

/** Throws `UsageError`. */
function keyPath(text: string): { mount: string; name: string } {
  const [, mount, name] = /^(.+)\/keys\/([^/]+)$/.exec(cleanPath(text)) ?? [];
  if (!mount || !name)
    throw new UsageError(`expected transit path and key name in the form <mount>/keys/<key-name>: "${text}"`);
  return { mount, name };
}

/** Throws `LocalError`. */
function keyMaterial(text: string): Buffer {
  const material = bytesOfBase64((text.startsWith('@') ? readText(text.slice(1)) : text).trim());
  if (!material || material.length === 0)
    throw new LocalError('error base64 decoding source key material: it must be standard base64');
  return material;
}

/** As the API's `ciphertext`: an AES key under the wrapping key, then the material under the AES key. */
async function wrapped({ client, output }: Context, mount: string, material: Buffer): Promise<string> {
  output.success('Retrieving transit wrapping key.');
  const path = `${mount}/wrapping_key`;
  const reply = await attempt('failed to fetch wrapping key', (await client()).request('GET', path));
  const pem = reply.data?.public_key;
  if (typeof pem !== 'string') throw new LocalError(`no wrapping key in the reply of ${path}`);
  output.success('Wrapping source key with ephemeral key.');
  const aesKey = systemRandom.bytes(AES_KEY_BYTES);
  const wrappedMaterial = wrapKey(aesKey, material);
  output.success('Encrypting ephemeral key with transit wrapping key.');
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const wrappedKey = publicEncrypt({ key: createPublicKey(pem), padding, oaepHash: 'sha256' }, aesKey);
  for (const secret of [aesKey, material]) secret.fill(0);
  return Buffer.concat([wrappedKey, wrappedMaterial]).toString('base64');
}

export const transit = group(
  {
    name: 'transit',
    description: 'Brings keys from elsewhere into the transit engine.',
  },
  [
    importing({
      verb: 'import',
      endpoint: 'import',
      synopsis: 'Import a key into the Transit secrets engines',
      description: 'Makes a new key of material from elsewhere.',
    }),
    importing({
      verb: 'import-version',
      endpoint: 'import_version',
      synopsis: 'Import key material into a new key version in the Transit secrets engines',
      description: 'Adds a version of material from elsewhere to a key that was imported.',
    }),
  ],
);
