/**
 * Work before authentication is bounded: what is too big, too deep or too many is refused before it is parsed, quickly, for
 * those without a token as well, and others are served meanwhile.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

const MEBIBYTE = 1024 * 1024;
/** Generous: the machine may be busy. What is not bounded takes far longer. */
const QUICK_MS = 1500;

/** JSON that would cost much to build: each within the size of a body. */
const EXPENSIVE = new Map<string, () => string>([
  ['deep lists', () => '['.repeat(20 * MEBIBYTE)],
  ['deep objects', () => '{"a":'.repeat(4 * MEBIBYTE)],
  ['a deep member', () => `{"password":${'['.repeat(1000)}${']'.repeat(1000)}}`],
  ['many members', () => `{${Array.from({ length: 300_000 }, (_, index) => `"k${index}":1`).join()}}`],
  ['many elements', () => `{"password":[${'0,'.repeat(5 * MEBIBYTE)}0]}`],
  ['many small lists', () => `{"password":[${'[],'.repeat(3 * MEBIBYTE)}[]]}`],
  ['a long text', () => `{"password":"${'x'.repeat(20 * MEBIBYTE)}"}`],
  ['a long escaped text', () => `{"password":"${'\\u0041'.repeat(3 * MEBIBYTE)}"}`],
  ['a long name', () => `{"${'x'.repeat(20 * MEBIBYTE)}":1}`],
  ['a long number', () => `{"password":${'9'.repeat(10 * MEBIBYTE)}}`],
  ['white space', () => `{${' '.repeat(25 * MEBIBYTE)}`],
  ['half characters', () => `{"password":"${'\\ud800'.repeat(MEBIBYTE)}"}`],
  ['many form fields', () => Array.from({ length: 1_000_000 }, () => 'a=b').join('&')],
  ['escapes in a form', () => `a=${'%41'.repeat(5 * MEBIBYTE)}`],
]);

describe('work before authentication', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    await node.ok('POST', 'auth/userpass/users/ann', { body: { password: 'password' } });
  });
  after(() => node.stop());

  for (const [what, make] of EXPENSIVE) {
    it(`is little for ${what}`, async () => {
      const body = make();
      const headers = {
        'Content-Type': what.includes('form') ? 'application/x-www-form-urlencoded' : 'application/json',
      };
      for (const path of [
        'auth/userpass/login/ann',
        'auth/approle/login',
        'secret/data/a',
        'sys/unseal',
        'sys/wrapping/unwrap',
        'no/such/path',
      ]) {
        const startMs = performance.now();
        const { status } = await node.request('POST', path, { token: '', body, headers });
        const tookMs = performance.now() - startMs;
        assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
        assert.ok(tookMs < QUICK_MS, `${path} took ${Math.round(tookMs)} ms`);
      }
    });
  }

  it('leaves what cannot be parsed in the audit log, without the body', async () => {
    node.newAuditEntries();
    const body = '{"password": "a canary"';
    const { status } = await node.request('POST', 'auth/userpass/login/ann', { token: '', body });
    assert.equal(status, 400);
    const entries = node.newAuditEntries();
    assert.deepEqual(
      entries.map(({ type, request }) => [type, request.path]),
      [
        ['request', 'auth/userpass/login/ann'],
        ['response', 'auth/userpass/login/ann'],
      ],
    );
    assert.match(entries[1]!.error!, /failed to parse JSON input/);
    assert.ok(!node.auditLog().includes('a canary'));
  });

  it('is none for a body that is announced as too big', async () => {
    for (const head of [
      'Content-Length: 10737418240',
      'Content-Length: 33554433',
      'Transfer-Encoding: chunked',
    ]) {
      const startMs = performance.now();
      const body = head.startsWith('Transfer') ? `${(64 * MEBIBYTE).toString(16)}\r\nxxxx` : '';
      const answer = await raw(
        node,
        `POST /v1/auth/userpass/login/ann HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${body}`,
      );
      assert.match(answer, /^HTTP\/1\.1 413 /, head);
      assert.ok(performance.now() - startMs < QUICK_MS, head);
    }
  });

  it('is little for heads that go on and on', async () => {
    const heads = [
      `GET /v1/${'a'.repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /v1/sys/health?${'a=b&'.repeat(50_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n${'X-Y: z\r\n'.repeat(20_000)}\r\n`,
      `GET /v1/sys/health HTTP/1.1\r\nHost: x\r\nX-Vault-Token: ${'x'.repeat(200_000)}\r\n\r\n`,
      `GET /v1/${'../'.repeat(2000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /v1/${'%2f'.repeat(2000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ];
    for (const head of heads) {
      const startMs = performance.now();
      const answer = await raw(node, head);
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, head.slice(0, 60));
      assert.ok(performance.now() - startMs < QUICK_MS, head.slice(0, 60));
    }
  });

  it('keeps nobody else waiting, nor the memory', async () => {
    const body = EXPENSIVE.get('a long text')!();
    const beforeBytes = process.memoryUsage().rss;
    const flood = Promise.all(
      Array.from({ length: 6 }, () =>
        node.request('POST', 'auth/userpass/login/ann', { token: '', body }).catch(() => undefined),
      ),
    );
    const waits: number[] = [];
    let flooding = true;
    flood.finally(() => {
      flooding = false;
    });
    while (flooding) {
      const startMs = performance.now();
      await node.ok('GET', 'auth/token/lookup-self');
      waits.push(performance.now() - startMs);
    }
    await flood;
    assert.ok(Math.max(...waits) < QUICK_MS, `somebody waited ${Math.round(Math.max(...waits))} ms`);
    const grownBytes = process.memoryUsage().rss - beforeBytes;
    assert.ok(grownBytes < 1200 * MEBIBYTE, `memory grew by ${Math.round(grownBytes / MEBIBYTE)} MiB`);
    await node.ok('POST', 'auth/userpass/login/ann', { token: '', body: { password: 'password' } });
  });
});

/** What comes back for these bytes, up to the end of the connection or of the head. */
function raw(node: FailureNode, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(node.address).port), '127.0.0.1');
    let answer = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n\r\n')) socket.destroy();
    });
    socket.on('close', () =>
      answer === '' ? reject(new Error('closed without an answer')) : resolve(answer),
    );
    socket.on('error', () => {});
    socket.write(bytes);
  });
}
