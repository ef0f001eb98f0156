/** A server that unseals itself: what happens when its key is replaced, and when it is lost. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type CofferNode, start } from '../services/coffer.ts';
import { waitUntil } from '../services/process.ts';

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const OLD = `current_key_id = "old"\n  current_key = "${key(1)}"`;
const NEW = `current_key_id = "new"\n  current_key = "${key(2)}"`;
const STANZA = /seal "static" \{[^}]*\}\n/;
const stanza = (text: string) => `seal "static" {\n  ${text}\n}\n`;

describe('a static seal', () => {
  let node: CofferNode;
  let recoveryKeys: string[];
  let rootToken: string;

  before(async () => {
    node = await start({ configuration: stanza(OLD) });
    const body = { recovery_shares: 2, recovery_threshold: 2 };
    const made = (await node.request('PUT', 'sys/init', { body })).json();
    recoveryKeys = made.recovery_keys_base64;
    rootToken = made.root_token;
    assert.equal(await health(), 200);
  });
  after(() => node?.stop());

  const health = async () => (await node.request('GET', 'sys/health')).status;
  async function restartWith(text: string): Promise<void> {
    const config = readFileSync(node.configFile, 'utf8').replace(STANZA, '');
    writeFileSync(node.configFile, config + text);
    await node.restart();
  }
  const unsealed = () =>
    waitUntil(async () => (await health()) === 200, { what: 'the server to unseal itself' });

  test('after a start with the new key beside the old one, the new one is enough', async () => {
    const both = `${NEW}\n  previous_key_id = "old"\n  previous_key = "${key(1)}"`;
    await restartWith(stanza(both));
    await unsealed();
    await restartWith(stanza(NEW));
    await unsealed();
  });

  test('a key that is not the server’s leaves it sealed, and up', async () => {
    await restartWith(stanza(OLD));
    await waitUntil(() => node.logs().includes('no seal could unwrap the root key'), { what: 'the reason' });
    assert.equal(await health(), 503);
  });

  test('without the key, the recovery shares unseal', async () => {
    await restartWith('');
    assert.equal(await health(), 503);
    for (const share of recoveryKeys) {
      assert.equal((await node.request('PUT', 'sys/unseal', { body: { key: share } })).status, 200);
    }
    assert.equal(await health(), 200);
    assert.equal((await node.request('GET', 'sys/mounts', { token: rootToken })).status, 200);
  });
});
