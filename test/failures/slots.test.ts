/** What anybody may call: initialising, unsealing and the ceremonies of share holders, once each, bound and bounded. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemRandom } from '../../src/base/random.ts';
import { FailureNode } from './node.ts';

describe('what needs no token', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ shares: 5, threshold: 3 });
  });
  after(() => node.stop());

  const anybody = (method: string, path: string, body?: unknown) =>
    node.request(method, path, { token: '', body });

  it('initialises once', async () => {
    const again = await Promise.all(
      Array.from({ length: 5 }, () => anybody('POST', 'sys/init', { secret_shares: 1, secret_threshold: 1 })),
    );
    assert.deepEqual([...new Set(again.map(({ status }) => status))], [400]);
    await node.ok('GET', 'auth/token/lookup-self');
  });

  it('unseals by the right shares alone, whatever else is sent', async () => {
    await node.server.lifecycle.seal();
    const odd = [
      '',
      'x',
      'zz'.repeat(33),
      '00'.repeat(33),
      'ff'.repeat(32),
      `${node.keys[0]}x`,
      'A'.repeat(100_000),
      null,
      1,
      [],
      {},
      [node.keys[0]],
    ];
    for (const key of odd) {
      const { status } = await anybody('POST', 'sys/unseal', { key });
      assert.ok(status < 500, JSON.stringify(key)?.slice(0, 40));
      assert.equal((await anybody('GET', 'sys/seal-status')).json().sealed, true);
    }
    await anybody('POST', 'sys/unseal', { reset: true });
    for (let times = 0; times < 5; times++) await anybody('POST', 'sys/unseal', { key: node.keys[0] });
    assert.equal((await anybody('GET', 'sys/seal-status')).json().progress, 1, 'the same share counts once');
    const wrong = systemRandom.bytes(33).toString('base64');
    await anybody('POST', 'sys/unseal', { key: wrong });
    const refused = await anybody('POST', 'sys/unseal', { key: node.keys[1] });
    assert.equal(refused.status, 400);
    assert.doesNotMatch(refused.text, /share \d|which|wrong share/);
    assert.equal((await anybody('GET', 'sys/seal-status')).json().progress, 0, 'it starts over');
    await Promise.all(node.keys.map((key) => anybody('POST', 'sys/unseal', { key })));
    assert.equal((await anybody('GET', 'sys/seal-status')).json().sealed, false);
  });

  const ceremonies = [
    { start: 'sys/generate-root/attempt', update: 'sys/generate-root/update', body: {}, cancel: 204 },
    {
      start: 'sys/rekey/init',
      update: 'sys/rekey/update',
      body: { secret_shares: 5, secret_threshold: 3 },
      cancel: 400,
    },
  ];
  for (const { start, update, body, cancel } of ceremonies) {
    it(`keeps ${start} to who began it, and in the audit log`, async () => {
      node.newAuditEntries();
      // The API has always let anybody cancel the making of a root token.
      await anybody('POST', start, body);
      assert.equal((await anybody('DELETE', start)).status, cancel);
      const begun = cancel === 204 ? await anybody('POST', start, body) : await anybody('GET', start);
      assert.equal(begun.status, 200, begun.text);
      const { nonce } = begun.json();
      assert.equal((await anybody('POST', start, body)).status, 400, 'one at a time');
      for (const odd of [undefined, '', 'x', nonce.toUpperCase(), [nonce], systemRandom.uuid()]) {
        const { status } = await anybody('POST', update, { key: node.keys[0], nonce: odd });
        assert.ok(status >= 400 && status < 500, `nonce ${JSON.stringify(odd)}: ${status}`);
      }
      assert.equal((await anybody('GET', start)).json().progress, 0);
      assert.equal((await anybody('POST', update, { key: node.keys[0], nonce })).status, 200);
      assert.equal(
        (await anybody('POST', update, { key: node.keys[0], nonce })).status,
        400,
        'the same share again',
      );
      for (const key of [systemRandom.bytes(33).toString('base64'), node.keys[1]])
        await anybody('POST', update, { key, nonce });
      await node.ok('GET', 'auth/token/lookup-self');
      const paths = node.newAuditEntries().map(({ request }) => request.path);
      for (const path of [start, update])
        assert.ok(paths.filter((each) => each === path).length >= 4, `${path} is audited`);
      for (const key of node.keys)
        assert.ok(!node.auditLog().includes(key) && !node.serverLog().includes(key));
    });
  }

  it('tells the log who began, disturbed and ended a ceremony', async () => {
    const { nonce } = (
      await anybody('POST', 'sys/rekey/init', { secret_shares: 1, secret_threshold: 1 })
    ).json();
    await anybody('POST', 'sys/rekey/update', { key: node.keys[0], nonce: systemRandom.uuid() });
    await anybody('DELETE', `sys/rekey/init?nonce=${nonce}`);
    for (const what of ['begun', 'not continued', 'cancelled'])
      assert.match(node.serverLog(), new RegExp(`a key ceremony was ${what}.*127\\.0\\.0\\.1`), what);
    assert.ok(!node.serverLog().includes(node.keys[0]!));
  });

  it('lets nobody begin without end, and keeps none with a token from it', async () => {
    const answers: number[] = [];
    for (let times = 0; times < 30; times++) {
      const { status, text } = await anybody('POST', 'sys/generate-root/attempt', {});
      answers.push(status);
      if (status === 429) assert.match(text, /generate-root-token/);
      await anybody('DELETE', 'sys/generate-root/attempt');
    }
    assert.ok(answers.includes(200) && answers.at(-1) === 429);
    await node.ok('POST', 'sys/generate-root-token/attempt', { body: {} });
    await node.ok('DELETE', 'sys/generate-root-token/attempt');
  });

  it('takes new shares back whose reply no audit device took', async () => {
    const settings = { secret_shares: 1, secret_threshold: 1 };
    const { nonce } = (await node.ok('POST', 'sys/rotate/root/init', { body: settings })).data;
    for (const key of node.keys.slice(0, 2))
      await node.ok('POST', 'sys/rotate/root/update', { body: { key, nonce } });
    const { audit } = node.domains;
    const record = audit.record;
    audit.record = (entry) =>
      entry.type === 'response' ? Promise.reject(new Error('no device')) : record.call(audit, entry);
    const refused = await node.request('POST', 'sys/rotate/root/update', {
      body: { key: node.keys[2], nonce },
    });
    audit.record = record;
    assert.equal(refused.status, 500);
    assert.ok(!refused.text.includes('keys'));
    await node.reseal();
    assert.equal((await anybody('GET', 'sys/seal-status')).json().sealed, false, 'the old shares hold');
    assert.match(node.serverLog(), /the new shares could not be handed out: the old ones hold/);
  });

  it('throttles who guesses, and nobody else', async () => {
    const guess = () => anybody('POST', 'sys/generate-root/update', { key: node.keys[2], nonce: 'x' });
    const answers = await Promise.all(Array.from({ length: 400 }, guess));
    assert.ok(answers.some(({ status }) => status === 429));
    await node.ok('GET', 'auth/token/lookup-self');
  });
});

it('a listener may take no ceremonies without a token', async () => {
  const node = await FailureNode.start({
    settings: {
      listeners: [
        {
          type: 'tcp',
          address: '127.0.0.1:0',
          tlsDisable: true,
          disableUnauthedRekeyEndpoints: true,
          disableUnauthedGenerateRootEndpoints: true,
        },
      ],
    },
  });
  try {
    for (const token of ['', node.rootToken])
      for (const path of [
        'sys/rekey/init',
        'sys/rekey/verify',
        'sys/rekey-recovery-key/init',
        'sys/generate-root/attempt',
      ]) {
        const answer = await node.request('GET', path, { token });
        assert.equal(answer.status, 404, path);
        assert.match(answer.text, /without a token/);
      }
    await node.ok('GET', 'sys/rotate/root/init');
    await node.ok('GET', 'sys/generate-root-token/attempt');
  } finally {
    await node.stop();
  }
});
