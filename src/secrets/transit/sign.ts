import type { KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { boolean, type Input, text } from '../../engine/fields.ts';
import { hashFields, isDigestGiven, signatureDigest } from './algorithms.ts';
import { batchFields, reference, runBatch } from './batch.ts';
import { contextFor } from './derivation.ts';
import { derivedPair, ED25519_BYTES } from './ed25519.ts';
import { context, decoded, decodedText, keyName, keyVersion, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { checkSigns, encodeSignature, type SignatureOptions, signInput } from './signatures.ts';
import { versioned } from './versioned.ts';

export const signatureFields = {
  ...hashFields,
  prehashed: boolean({ description: 'The input is the hash already, of RSA and ECDSA keys.' }),
  signature_algorithm: text({ description: 'RSA keys: pss or pkcs1v15.', default: 'pss' }),
  marshaling_algorithm: text({
    description: 'ECDSA keys: asn1, or jws, which also writes URL-safe base64.',
    default: 'asn1',
  }),
  salt_length: text({ description: 'PSS: auto (as long as can be), hash, or bytes.', default: 'auto' }),
  signature_context: text({
    description: 'Base64 of the context of an Ed25519ctx, ML-DSA or SLH-DSA signature.',
  }),
};

const itemFields = {
  input: text({ description: 'Base64 of the message.', secret: true }),
  context,
  key_version: keyVersion,
  reference,
};

export function signPaths(keys: Keys): EnginePath[] {
  return ['sign/{name}', 'sign/{name}/{urlalgorithm}'].map((pattern) =>
    path({
      pattern,
      summary: 'Signs.',
      fields: { name: keyName, ...itemFields, ...signatureFields, ...batchFields },
      operations: {
        write: {
          slow: true,
          handler(context, input) {
            const key = usableKey(keys, context.view, input.name, 'signing key not found');
            const options = signatureOptions(key, input);
            const pooled = Boolean(input.batch_input);
            return runBatch(context, {
              fields: itemFields,
              single: input,
              batch: input.batch_input,
              work: (item) =>
                signItem(
                  context,
                  key,
                  { ...item, key_version: item.key_version ?? input.key_version },
                  { options, pooled },
                ),
            });
          },
        },
      },
    }),
  );
}

function signItem(
  { random }: RequestContext,
  key: Key,
  item: Input<typeof itemFields>,
  { options, pooled }: { options: SignatureOptions; pooled: boolean },
) {
  if (item.input === undefined) throw new InvalidRequest('missing input');
  const version = key.versionToUse(item.key_version);
  const within = contextFor(key, decoded(item.context, 'context'));
  const input = decodedText(item.input, 'input');
  const pair = within ? derivedPair(version, within) : undefined;
  const signature = signInput(
    pair?.privateKey ?? version.privateKey,
    { type: key.type, input, options },
    { random, pooled },
  );
  const shown = (bytes: Buffer) => ({
    signature: versioned(version.number, encodeSignature(bytes, options)),
    key_version: version.number,
    ...(pair ? { publickey: rawOf(pair.publicKey) } : {}),
  });
  return isPromise(signature) ? signature.then(shown) : shown(signature);
}

function rawOf(publicKey: KeyObject): string {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-ED25519_BYTES).toString('base64');
}

/** What a request says of its signatures. Throws `InvalidRequest`. */
export function signatureOptions(key: Key, input: Input<typeof signatureFields>): SignatureOptions {
  checkSigns(key.type);
  const { prehashed = false } = input;
  const isEd25519 = key.type.pair?.signature === 'ed25519';
  if (isEd25519 && prehashed && isDigestGiven(input))
    throw new InvalidRequest('Ed25519ph signatures are not supported');
  return {
    digest: signatureDigest(input),
    prehashed,
    algorithm: choice(input.signature_algorithm, ['pss', 'pkcs1v15'], 'signature_algorithm'),
    marshaling: choice(input.marshaling_algorithm, ['asn1', 'jws'], 'marshaling_algorithm'),
    salt: saltOf(input.salt_length),
    signatureContext: decoded(input.signature_context, 'signature_context'),
  };
}

function choice<T extends string>(asked: string, choices: readonly T[], what: string): T {
  const found = choices.find((each) => each === (asked || choices[0]));
  if (!found)
    throw new InvalidRequest(
      `invalid ${what} ${JSON.stringify(asked)}: must be one of ${choices.join(', ')}`,
    );
  return found;
}

/** As Go's library numbers its rules: 0 is auto, -1 as long as the hash. */
function saltOf(asked: string): SignatureOptions['salt'] {
  if (asked === '' || asked === 'auto' || asked === '0') return 'auto';
  if (asked === 'hash' || asked === '-1') return 'hash';
  if (!/^\d{1,4}$/.test(asked))
    throw new InvalidRequest(`invalid salt_length ${JSON.stringify(asked.slice(0, 32))}`);
  return Number(asked);
}
