import { InvalidRequest } from '../../base/errors.ts';
import { isPromise } from '../../base/promise.ts';
import { type EnginePath, path } from '../../engine/engine.ts';
import { type Input, text } from '../../engine/fields.ts';
import { hmacDigest } from './algorithms.ts';
import { batchFields, batchItems, reference, runBatch } from './batch.ts';
import { isCmac, macLength } from './cmac.ts';
import { contextFor } from './derivation.ts';
import { derivedPair } from './ed25519.ts';
import { isHmac } from './hmac.ts';
import { context, decoded, decodedText, keyName, usableKey } from './inputs.ts';
import type { Key, Keys } from './key.ts';
import { signatureFields, signatureOptions } from './sign.ts';
import { decodeSignature, type SignatureOptions, verifyInput } from './signatures.ts';
import { parseVersioned } from './versioned.ts';

const itemFields = {
  input: text({ description: 'Base64 of the message.', secret: true }),
  signature: text({ description: 'What sign gave.' }),
  hmac: text({ description: 'What hmac gave.' }),
  cmac: text({ description: 'What cmac gave.' }),
  mac_length: macLength,
  context,
  reference,
};
const PROOFS = ['signature', 'hmac', 'cmac'] as const;
type Proof = (typeof PROOFS)[number];

export function verifyPaths(keys: Keys): EnginePath[] {
  return ['verify/{name}', 'verify/{name}/{urlalgorithm}'].map((pattern) =>
    path({
      pattern,
      summary: 'Says whether a signature, an HMAC or a CMAC is good.',
      fields: { name: keyName, ...itemFields, ...signatureFields, ...batchFields },
      operations: {
        write: {
          slow: true,
          handler({ view, clock }, input) {
            const key = usableKey(keys, view, input.name, 'signature verification key not found');
            const proof = proofOf(input);
            const check = checker(key, proof, input);
            const isBatch = Boolean(input.batch_input);
            return runBatch(
              { clock },
              {
                fields: itemFields,
                single: input,
                batch: input.batch_input,
                work: (item) => {
                  const valid = check(item, isBatch);
                  return isPromise(valid) ? valid.then((late) => ({ valid: late })) : { valid };
                },
              },
            );
          },
        },
      },
    }),
  );
}

type Item = Input<typeof itemFields>;
type Check = (item: Item, pooled: boolean) => boolean | Promise<boolean>;

function checker(key: Key, proof: Proof, input: Item & Input<typeof signatureFields>): Check {
  const message = ({ input: sent }: Item) => {
    if (sent === undefined) throw new InvalidRequest('missing input');
    return decodedText(sent, 'input');
  };
  if (proof === 'hmac') {
    const digest = hmacDigest(input);
    return (item) => isHmac(key, digest, message(item), item.hmac ?? '');
  }
  if (proof === 'cmac') {
    const { mac_length: given } = input;
    return (item) => isCmac(key, message(item), { code: item.cmac ?? '', length: item.mac_length ?? given });
  }
  const options = signatureOptions(key, input);
  return (item, pooled) => isSignature(key, item, { input: message(item), options, pooled });
}

function isSignature(
  key: Key,
  item: Item,
  { input, options, pooled }: { input: Buffer; options: SignatureOptions; pooled: boolean },
): boolean | Promise<boolean> {
  const { version: number, encoded } = parseVersioned(item.signature ?? '', 'signature');
  const version = key.versionToOpen(number);
  const within = contextFor(key, decoded(item.context, 'context'));
  const publicKey = within ? derivedPair(version, within).publicKey : version.publicKey;
  return verifyInput(
    publicKey,
    { type: key.type, input, options },
    decodeSignature(encoded, options),
    pooled,
  );
}

/** Which of them is to be verified: the same for a whole batch. Throws `InvalidRequest`. */
function proofOf(input: Item & { batch_input: unknown }): Proof {
  const isBatch = input.batch_input !== undefined && input.batch_input !== null;
  const items = isBatch ? batchItems(input.batch_input) : [input];
  const kinds = items.map((item) =>
    PROOFS.filter((proof) => item[proof] !== undefined && item[proof] !== ''),
  );
  const given = new Set(kinds.flat());
  if (given.size > 1)
    throw new InvalidRequest(
      isBatch
        ? "elements of batch_input must all provide 'signature' or all provide 'hmac' or all provide 'cmac'"
        : "provide one of 'signature', 'hmac' or 'cmac'",
    );
  const [proof] = given;
  if (!proof) throw new InvalidRequest("neither a 'signature' nor an 'hmac' or 'cmac' was given to verify");
  return proof;
}
