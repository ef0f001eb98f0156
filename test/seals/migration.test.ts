/** Going over from key shares to an automatic seal and back, on the command line and over HTTP, while requests go on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Made, SealNode, staticSeal } from './node.ts';

describe('seal migration', () => {
  const first = staticSeal(1);
  const second = staticSeal(2, { name: 'second' });
  let node: SealNode;
  let made: Made;

  before(async () => {
    node = await SealNode.start([]);
    made = await node.initialize('shares');
    await node.unseal(made);
    await node.ok('POST', 'sys/mounts/kv', { token: made.rootToken, body: { type: 'kv' } });
    await node.ok('PUT', 'kv/kept', { token: made.rootToken, body: { word: 'open sesame' } });
  });
  after(() => node?.stop());

  const kept = async () => (await node.ok('GET', 'kv/kept', { token: made.rootToken })).data.word;

  test('from key shares to an automatic seal, on the unsealed server', async () => {
    await node.reload([first]);
    const before = await node.status();
    assert.deepEqual([before.type, before.migration, before.sealed], ['shamir', true, false]);
    const [one, two] = made.shares;
    const half = await node.cli('operator', 'unseal', '-migrate', one!);
    assert.match(half.stdout, /Seal Migration in Progress +true/);
    const done = await node.cli('operator', 'unseal', '-migrate', two!);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /Seal Type +static/);
    assert.match(done.stdout, /Recovery Seal Type +shamir/);
    assert.equal(await kept(), 'open sesame');
    await node.restart();
    await node.unsealed();
    assert.equal(await kept(), 'open sesame');
  });

  test('the shares are recovery keys now: they make a root token, and unseal without the key', async () => {
    await node.restart([]);
    assert.equal((await node.unseal(made)).sealed, false);
    const { nonce, otp } = await node.ok('PUT', 'sys/generate-root/attempt', { body: {} });
    let encoded = '';
    for (const key of made.shares.slice(1))
      encoded = (await node.ok('PUT', 'sys/generate-root/update', { body: { key, nonce } })).encoded_token;
    const body = { encoded_token: encoded, otp };
    const { token } = (await node.ok('PUT', 'sys/decode-token', { body })).data;
    assert.equal((await node.ok('GET', 'auth/token/lookup-self', { token })).data.display_name, 'root');
  });

  test('from one automatic seal to another, with nobody’s help', async () => {
    await node.restart([second, { ...first, options: { ...first.options, disabled: true } }]);
    await node.unsealed();
    await node.fullyWrapped();
    await node.restart([second]);
    await node.unsealed();
    assert.equal(await kept(), 'open sesame');
    await node.restart([first]);
    assert.equal(await node.health(), 503, 'the former seal unseals no more');
  });

  test('two stanzas of one type without names: from a key to its successor', async () => {
    const former = { ...second, options: { ...second.options, name: 'static', disabled: true } };
    await node.restart([former, staticSeal(3)]);
    await node.unsealed();
    await node.fullyWrapped();
    await node.restart([staticSeal(3)]);
    await node.unsealed();
  });

  test('back to key shares, sealed, with a disabled seal', async () => {
    await node.restart([staticSeal(3, { disabled: true })]);
    assert.equal(await node.health(), 503);
    const { migration, sealed } = await node.status();
    assert.deepEqual([migration, sealed], [true, true]);
    assert.equal((await node.unseal(made, { migrate: true })).sealed, false);
    const after = await node.status();
    assert.deepEqual([after.type, after.recovery_seal, after.migration], ['shamir', false, false]);
    await node.restart([]);
    assert.equal(await node.health(), 503);
    assert.equal((await node.unseal(made)).sealed, false);
    assert.equal(await kept(), 'open sesame');
  });

  test('-migrate where there is nothing to migrate is refused', async () => {
    await node.restart();
    const refused = await node.cli('operator', 'unseal', '-migrate', made.shares[0]!);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /can't perform a seal migration, no migration seal found/);
    assert.equal((await node.unseal(made)).sealed, false);
  });
});
