/** The key ceremonies against real nodes: by an unmodified client, with PGP, beside an automatic seal, cut off, audited. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { decrypt, generateKey, type PrivateKey, readMessage } from 'openpgp';
import type { CofferNode, UnsealKeys } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';
import { available, runHvac } from '../services/hvac.ts';

const script = (name: string) => readFileSync(new URL(`../clients/hvac/${name}.py`, import.meta.url), 'utf8');

interface Ceremony {
  readonly init: string;
  readonly update: string;
  readonly token?: string;
}
const REKEY: Ceremony = { init: 'sys/rekey/init', update: 'sys/rekey/update' };
const GENERATE: Ceremony = { init: 'sys/generate-root/attempt', update: 'sys/generate-root/update' };

interface Outcome {
  readonly keys: string[];
  readonly keys_base64: string[];
  readonly pgp_fingerprints: string[] | null;
  readonly verification_nonce: string;
  readonly encoded_token: string;
  readonly pgp_fingerprint: string;
  readonly otp: string;
}

/** From the start to the last share; the last reply. */
async function hold(
  node: CofferNode,
  ceremony: Ceremony,
  keys: readonly string[],
  body: object,
): Promise<Outcome> {
  const token = ceremony.token === undefined ? {} : { token: ceremony.token };
  const started = await node.request('POST', ceremony.init, { body, ...token });
  assert.equal(started.status, 200, started.text);
  const { nonce, otp } = started.json().data ?? started.json();
  let last = started.json();
  for (const key of keys) {
    const answer = await node.request('POST', ceremony.update, { body: { key, nonce }, ...token });
    assert.equal(answer.status, 200, answer.text);
    last = answer.json().data ?? answer.json();
  }
  assert.equal(last.complete, true);
  return { ...(last as Outcome), otp };
}

async function unsealsWith(node: CofferNode, keys: readonly string[]): Promise<boolean> {
  await node.request('PUT', 'sys/unseal', { body: { reset: true } });
  for (const key of keys) await node.request('PUT', 'sys/unseal', { body: { key } });
  return (await node.request('GET', 'sys/health')).status === 200;
}

describe('with key shares', () => {
  let node: CofferNode;
  let first: UnsealKeys;
  let keys: string[];
  let root: string;

  before(async () => {
    node = await coffer.start({ audit: true });
    first = await node.initAndUnseal({ shares: 3, threshold: 2 });
    keys = first.keys.slice(0, 2);
    root = first.rootToken;
  });
  after(() => node?.stop());

  test('hvac makes new shares and a root token; the audit log has both, without a secret', {
    skip: available() ?? false,
  }, async () => {
    const made = (await runHvac(
      { address: node.address, token: root },
      `${script('common')}\n${script('ceremonies')}`,
      { keys, threshold: 2 },
    )) as { keys: string[]; root_token: string; otp: string };
    const audited = readFileSync(node.auditFile, 'utf8');
    for (const path of ['rekey/init', 'rekey/update', 'rekey/verify', 'generate-root/update'])
      assert.ok(audited.includes(`"path":"sys/${path}"`), path);
    for (const secret of [...keys, ...made.keys, made.root_token, made.otp]) {
      assert.equal(audited.includes(secret), false);
      assert.equal(node.logs().includes(secret), false);
    }
    await node.restart();
    assert.equal(await unsealsWith(node, keys.slice(0, 2)), false);
    assert.equal(await unsealsWith(node, made.keys.slice(1)), true);
    keys = made.keys.slice(1);
    root = made.root_token;
    assert.equal((await node.request('GET', 'sys/mounts', { token: root })).status, 200);
  });

  test('PGP keeps new shares and a new root token for their owners, also those in the store', async () => {
    const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: 'Ada' }], format: 'object' });
    const pgpKey = Buffer.from(publicKey.write()).toString('base64');
    const body = { secret_shares: 2, secret_threshold: 2, pgp_keys: [pgpKey, pgpKey], backup: true };
    const made = await hold(node, REKEY, keys, body);
    assert.deepEqual(made.pgp_fingerprints, [publicKey.getFingerprint(), publicKey.getFingerprint()]);
    assert.equal((await node.request('GET', 'sys/rekey/backup')).status, 403);
    const kept = (await node.request('GET', 'sys/rekey/backup', { token: root })).json();
    assert.deepEqual(kept.keys_base64, { [publicKey.getFingerprint()]: made.keys_base64 });
    assert.deepEqual(kept.data.keys, { [publicKey.getFingerprint()]: made.keys });
    assert.equal((await node.request('DELETE', 'sys/rekey/backup', { token: root })).status, 204);
    assert.equal((await node.request('GET', 'sys/rotate/root/backup', { token: root })).status, 404);
    keys = await Promise.all(made.keys_base64.map((message: string) => openWith(privateKey, message)));

    const generated = await hold(node, GENERATE, keys, { pgp_key: pgpKey });
    assert.equal(generated.pgp_fingerprint, publicKey.getFingerprint());
    const token = await openWith(privateKey, generated.encoded_token);
    assert.equal((await node.request('GET', 'sys/mounts', { token })).status, 200);
  });

  test('the forms with a token need one, and go on beside those without', async () => {
    const rotate: Ceremony = { init: 'sys/rotate/root/init', update: 'sys/rotate/root/update', token: root };
    assert.equal((await node.request('POST', rotate.init, { body: {} })).status, 403);
    assert.equal((await node.request('GET', 'sys/generate-root-token/attempt')).status, 403);
    assert.equal((await node.request('POST', GENERATE.init, { body: {} })).status, 200);
    const made = await hold(node, rotate, keys, { secret_shares: 1, secret_threshold: 1 });
    keys = made.keys;
    assert.equal((await node.request('GET', GENERATE.init)).json().started, false);
    const generate: Ceremony = {
      init: 'sys/generate-root-token/attempt',
      update: 'sys/generate-root-token/update',
      token: root,
    };
    const { encoded_token, otp } = await hold(node, generate, keys, {});
    const body = { encoded_token, otp };
    const { token } = (await node.request('POST', 'sys/decode-token', { body })).json().data;
    assert.equal((await node.request('GET', 'sys/mounts', { token })).status, 200);
  });

  test('cut off at any moment, either the old or the new shares unseal', async () => {
    const body = { secret_shares: 1, secret_threshold: 1, require_verification: true };
    for (const delayMs of [0, 2, 6]) {
      const made = await hold(node, REKEY, keys, body);
      const verify = { key: made.keys[0], nonce: made.verification_nonce };
      const reply = node.request('POST', 'sys/rekey/verify', { body: verify }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await node.kill9();
      const told = (await reply)?.json().complete === true;
      await node.restart();
      const [before, now] = [await unsealsWith(node, keys), await unsealsWith(node, made.keys)];
      assert.ok(before || now, 'one of them unseals');
      if (told) assert.equal(before, false, 'what was acknowledged holds');
      if (!before) keys = made.keys;
      assert.equal((await node.request('GET', 'sys/mounts', { token: root })).status, 200);
    }
  });

  test('the root key is replaced without shares, by who may, and the shares stay good', async () => {
    assert.equal((await node.request('POST', 'sys/rotate/root')).status, 403);
    assert.equal((await node.request('POST', 'sys/rotate/root', { token: root })).status, 204);
    await node.kill9();
    await node.restart();
    assert.equal(await unsealsWith(node, keys), true);
    assert.equal((await node.request('GET', 'sys/mounts', { token: root })).status, 200);
  });

  test('nothing of it while sealed', async () => {
    assert.equal((await node.request('PUT', 'sys/seal', { token: root })).status, 204);
    for (const path of [REKEY.init, GENERATE.init, 'sys/rekey-recovery-key/init'])
      assert.equal((await node.request('GET', path)).status, 503, path);
    assert.equal(await unsealsWith(node, keys), true);
  });
});

test('recovery keys beside an automatic seal are made anew, and so is the root key', async () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const node = await coffer.start({
    configuration: `seal "static" {\n  current_key_id = "one"\n  current_key = "${key}"\n}`,
  });
  try {
    const body = { recovery_shares: 2, recovery_threshold: 2 };
    const first = (await node.request('PUT', 'sys/init', { body })).json();
    const recovery: Ceremony = {
      init: 'sys/rekey-recovery-key/init',
      update: 'sys/rekey-recovery-key/update',
    };
    const made = await hold(node, recovery, first.recovery_keys, { secret_shares: 1, secret_threshold: 1 });
    const refused = await node.request('POST', REKEY.init, {
      body: { secret_shares: 2, secret_threshold: 2 },
    });
    assert.equal(refused.status, 400);
    const rooted = await hold(node, REKEY, made.keys, { secret_shares: 1, secret_threshold: 1 });
    assert.equal(rooted.keys, null);
    const { encoded_token } = await hold(node, GENERATE, made.keys, {});
    assert.equal(Buffer.from(encoded_token, 'base64').length, 28);
    await node.restart();
    assert.equal((await node.request('GET', 'sys/health')).status, 200);
    assert.equal((await node.request('GET', 'sys/mounts', { token: first.root_token })).status, 200);
  } finally {
    await node.stop();
  }
});

test('hvac makes recovery shares anew beside an automatic seal, and reads those that the server keeps', {
  skip: available() ?? false,
}, async () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const node = await coffer.start({
    configuration: `seal "static" {\n  current_key_id = "one"\n  current_key = "${key}"\n}`,
  });
  try {
    const body = { recovery_shares: 2, recovery_threshold: 2 };
    const first = (await node.request('PUT', 'sys/init', { body })).json();
    const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: 'Ada' }], format: 'object' });
    const made = (await runHvac(
      { address: node.address, token: first.root_token },
      `${script('common')}\n${script('recovery')}`,
      { keys: first.recovery_keys, pgp_key: Buffer.from(publicKey.write()).toString('base64') },
    )) as string[];
    const share = await openWith(privateKey, made[0]!);
    assert.equal((await node.request('PUT', 'sys/seal', { token: first.root_token })).status, 204);
    assert.equal(await unsealsWith(node, [share]), true);
  } finally {
    await node.stop();
  }
});

test('recovery keys alone bring a server back whose seal key is gone, and it gets another one', async () => {
  const seal = (id: string, key: number) =>
    `seal "static" {\n  current_key_id = "${id}"\n  current_key = "${Buffer.alloc(32, key).toString('base64')}"\n}`;
  const node = await coffer.start({ configuration: seal('lost', 1) });
  const health = async () => (await node.request('GET', 'sys/health')).status;
  try {
    const configuration = readFileSync(node.configFile, 'utf8');
    const configure = (text: string) =>
      writeFileSync(node.configFile, configuration.replace(seal('lost', 1), text));
    const body = { recovery_shares: 3, recovery_threshold: 2 };
    const made = (await node.request('PUT', 'sys/init', { body })).json();
    const token: string = made.root_token;
    const secret = { token, body: { n: 1 } };
    assert.equal((await node.request('POST', 'cubbyhole/kept', secret)).status, 204);
    assert.equal((await node.request('POST', 'sys/rotate/root', { token })).status, 204);
    await node.kill9();

    configure('');
    await node.restart();
    assert.equal(await unsealsWith(node, made.recovery_keys.slice(0, 2)), true, 'without any seal');
    await node.kill9();
    configure(seal('new', 2));
    await node.restart();
    assert.equal(await health(), 503, 'the new key does not open what the lost one closed');
    assert.equal(await unsealsWith(node, made.recovery_keys.slice(1)), true);
    assert.equal((await node.request('GET', 'cubbyhole/kept', { token })).json().data.n, 1);
    assert.equal((await node.request('POST', 'sys/rotate/root', { token })).status, 204);
    await node.restart();
    assert.equal(await health(), 200, 'the new key opens from now on');
  } finally {
    await node.stop();
  }
});

async function openWith(decryptionKeys: PrivateKey, message: string): Promise<string> {
  const binaryMessage = Buffer.from(message, 'base64');
  const { data } = await decrypt({ message: await readMessage({ binaryMessage }), decryptionKeys });
  return data;
}
