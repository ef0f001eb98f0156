/** Initialisation with shares and root token that only their owners can read. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decrypt, generateKey, type PrivateKey, type PublicKey, readMessage } from 'openpgp';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';

let node: CofferNode;
before(async () => {
  node = await coffer.start();
});
after(() => node?.stop());

test('the owners of the PGP keys, and nobody else, unseal and get the root token', async () => {
  const owners = await Promise.all(
    ['Ada', 'Bob', 'Eve'].map((name) => generateKey({ userIDs: [{ name }], format: 'object' })),
  );
  const [ada, bob, eve] = owners.map(({ privateKey }) => privateKey) as [PrivateKey, PrivateKey, PrivateKey];
  const answer = await node.request('PUT', 'sys/init', {
    body: {
      secret_shares: 2,
      secret_threshold: 2,
      pgp_keys: owners.slice(0, 2).map(({ publicKey }) => base64Of(publicKey)),
      root_token_pgp_key: base64Of(owners[2]!.publicKey),
    },
  });
  assert.equal(answer.status, 200, answer.text);
  const { keys, keys_base64: messages, root_token: sealedToken } = answer.json();
  assert.deepEqual(
    keys.map((hex: string) => Buffer.from(hex, 'hex').toString('base64')),
    messages,
  );
  await assert.rejects(openWith(bob, messages[0]));
  const refused = await node.request('PUT', 'sys/unseal', { body: { key: messages[0] } });
  assert.equal(refused.status, 400);

  const shares = [await openWith(ada, messages[0]), await openWith(bob, messages[1])];
  for (const key of shares)
    assert.equal((await node.request('PUT', 'sys/unseal', { body: { key } })).status, 200);
  const token = await openWith(eve, sealedToken);
  assert.match(token, /^hvs\./);
  assert.equal(
    (await node.request('GET', 'auth/token/lookup-self', { token })).json().data.policies[0],
    'root',
  );
});

/** As `gpg --export | base64`, which operators send. */
function base64Of(key: PublicKey): string {
  return Buffer.from(key.write()).toString('base64');
}

async function openWith(decryptionKeys: PrivateKey, message: string): Promise<string> {
  const binaryMessage = Buffer.from(message, 'base64');
  const { data } = await decrypt({ message: await readMessage({ binaryMessage }), decryptionKeys });
  return data;
}
