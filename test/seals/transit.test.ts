/** `seal "transit"` against the transit engine of another real node. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sealConformance, testSealDeps } from '../../src/seal/conformance.ts';
import { openSeal } from '../../src/seal/registry.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { type Gate, gateTo } from '../services/gate.ts';
import { waitUntil } from '../services/process.ts';
import { SealNode } from './node.ts';

const POLICY = `
path "transit/encrypt/unseal*" { capabilities = ["update"] }
path "transit/decrypt/unseal*" { capabilities = ["update"] }`;

describe('a transit seal over another Coffer', () => {
  let other: CofferNode;
  let keys: UnsealKeys;
  let gate: Gate;
  before(async () => {
    other = await start({ audit: true });
    keys = await other.initAndUnseal();
    gate = await gateTo(other.port);
    await ask('POST', 'sys/mounts/transit', { type: 'transit' });
    await ask('PUT', 'sys/policies/acl/unseal', { policy: POLICY });
    await ask('POST', 'transit/keys/unseal', {});
  });
  after(async () => {
    await gate?.close();
    await other?.stop();
  });

  const ask = async (method: string, path: string, body?: unknown) => {
    const { status, text, json } = await other.request(method, path, { token: keys.rootToken, body });
    assert.ok(status < 300, `${path}: ${text}`);
    return text === '' ? {} : json();
  };
  const newToken = async (period: string): Promise<string> =>
    (await ask('POST', 'auth/token/create-orphan', { policies: ['unseal'], period })).auth.client_token;
  const options = (token: string, key = 'unseal') => ({
    address: `http://127.0.0.1:${gate.port}`,
    token,
    key_name: key,
    mount_path: 'transit/',
  });

  sealConformance('transit over another Coffer', async () => {
    const token = await newToken('1h');
    const key = `unseal-${Math.floor(performance.now())}`;
    await ask('POST', `transit/keys/${key}`, {});
    return {
      open: () => openSeal({ type: 'transit', name: 'transit', options: options(token, key) }, testSealDeps),
      rotate: async () => void (await ask('POST', `transit/keys/${key}/rotate`, {})),
      async away() {
        await gate.shut();
        return () => gate.open();
      },
      secrets: [token],
      close: async () => {},
    };
  });

  test('a node unseals by it, waits for it, and follows the rotation of its key', async () => {
    const token = await newToken('1h');
    const checks = { health_check_interval: '1s', health_check_interval_unhealthy: '1s' };
    const node = await SealNode.start([{ type: 'transit', options: { ...options(token), ...checks } }]);
    try {
      await node.initialize('automatic');
      await node.unsealed();
      await ask('POST', 'transit/keys/unseal/rotate', {});
      const rewrapped = () => /the root key is wrapped by a seal.*key="2"/.test(node.node.logs());
      await waitUntil(rewrapped, { what: 'the root key to be wrapped by the new version' });
      await gate.shut();
      await node.restart();
      await node.backendsAre(({ healthy }) => healthy === false, 'the seal to be away');
      assert.equal(await node.health(), 503);
      await gate.open();
      await node.unsealed();
      assert.ok(!node.node.logs().includes(token));
    } finally {
      await node.stop();
    }
  });

  test('its token lives on as long as the node does', async () => {
    const seal = await openSeal(
      { type: 'transit', name: 'transit', options: options(await newToken('5s')) },
      testSealDeps,
    );
    await seal.wrap(Buffer.alloc(32));
    await new Promise((resolve) => setTimeout(resolve, 8000));
    await seal.wrap(Buffer.alloc(32));
    seal.close();
  });
});
