/**
 * Rate limits over HTTP: who goes over is refused before anything is done for him, by whatever route he comes, and others are
 * served; how much is left is told where that is wanted, and a refusal is in the audit log where that is wanted.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Answer } from '../services/http.ts';
import { FailureNode, type Sent } from './node.ts';

const LISTENER = {
  type: 'tcp',
  address: '127.0.0.1:0',
  tlsDisable: true,
  xForwardedForAuthorizedAddrs: ['127.0.0.1'],
  xForwardedForRejectNotPresent: false,
} as const;
const SECOND_MS = 1000;

describe('rate limits', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start({ manualClock: true, onDisk: true, settings: { listeners: [LISTENER] } });
    await node.mountEverything();
    await node.ok('POST', 'secret/data/a', { body: { data: { a: 1 } } });
    for (const user of ['ann', 'bob'])
      await node.ok('POST', `auth/userpass/users/${user}`, { body: { password: 'password' } });
  });
  after(() => node.stop());
  beforeEach(async () => {
    const names = await node.request('LIST', 'sys/quotas/rate-limit', { headers: fresh() });
    for (const name of names.status === 200 ? (names.json().data.keys as string[]) : [])
      await node.ok('DELETE', `sys/quotas/rate-limit/${name}`, { headers: fresh() });
    await node.ok('POST', 'sys/quotas/config', { body: DEFAULTS, headers: fresh() });
    node.sleep(3600 * SECOND_MS);
  });

  const limit = (body: Record<string, unknown>, name = 'q') =>
    node.ok('POST', `sys/quotas/rate-limit/${name}`, { body });
  /** The status of each of a few requests in a row. */
  const statuses = async (count: number, method: string, path: string, sent?: Sent) => {
    const all: number[] = [];
    for (let i = 0; i < count; i++) all.push((await node.request(method, path, sent)).status);
    return all;
  };

  it('refuse who goes over, in the words of the API, until the interval is over', async () => {
    await limit({ path: 'secret', rate: 2, interval: '10s' });
    assert.deepEqual(await statuses(3, 'GET', 'secret/data/a'), [200, 200, 429]);
    const refused = await node.request('GET', 'secret/data/a');
    assert.deepEqual(refused.json(), { errors: ['request path "secret/data/a": rate limit quota exceeded'] });
    assert.equal(refused.headers['retry-after'], '10');
    assert.equal((await node.request('GET', 'sys/mounts')).status, 200);
    node.sleep(9999);
    assert.equal((await node.request('GET', 'secret/data/a')).status, 429);
    node.sleep(1);
    assert.equal((await node.request('GET', 'secret/data/a')).status, 200);
  });

  it('hold for each address apart, and shut out for as long as they say', async () => {
    await limit({ rate: 1, interval: '1s', block_interval: '1m', path: 'secret' });
    const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } });
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/a', from('192.0.2.1')), [200, 429]);
    assert.deepEqual(await statuses(1, 'GET', 'secret/data/a', from('192.0.2.2')), [200]);
    node.sleep(59 * SECOND_MS);
    assert.deepEqual(await statuses(1, 'GET', 'secret/data/a', from('192.0.2.1')), [429]);
    assert.deepEqual(await statuses(1, 'GET', 'secret/data/a', from('192.0.2.2')), [200]);
    node.sleep(SECOND_MS);
    assert.deepEqual(await statuses(1, 'GET', 'secret/data/a', from('192.0.2.1')), [200]);
  });

  it('can be one for all addresses together', async () => {
    await limit({ rate: 1, interval: '1m', path: 'secret', group_by: 'none' });
    for (const [address, status] of [
      ['192.0.2.1', 200],
      ['192.0.2.2', 429],
    ] as const) {
      const headers = { 'X-Forwarded-For': address };
      assert.equal((await node.request('GET', 'secret/data/a', { headers })).status, status);
    }
  });

  it('group by entities where there is one, and limit the rest at their own rate', async () => {
    await limit({ rate: 5, secondary_rate: 1, interval: '1m', path: 'secret', group_by: 'entity_then_ip' });
    const entity = { token: await node.tokenWith('path "secret/*" { capabilities = ["read"] }') };
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/a', entity), [200, 429]);
    const refused = await node.request('POST', 'sys/quotas/rate-limit/other', {
      body: { rate: 5, secondary_rate: 1, path: 'kv' },
    });
    assert.equal(refused.status, 400);
  });

  it('are met by every route to the same operation', async () => {
    await node.ok('POST', 'secret/data/f/x', { body: { data: { a: 1 } } });
    const routes: Record<string, [string, string, Sent?][]> = {
      'secret/metadata/f': [
        ['LIST', 'secret/metadata/f'],
        ['LIST', 'secret/metadata/f/'],
        ['GET', 'secret/metadata/f?list=true'],
        ['GET', 'secret/metadata/f/?list=1'],
        ['SCAN', 'secret/metadata/f'],
        ['GET', 'secret/metadata/f?scan=true'],
        ['LIST', 'secret//metadata/%66'],
      ],
      'secret/data/f/x': [
        ['GET', 'secret/data/f/x'],
        ['HEAD', 'secret/data/f/x'],
        ['GET', 'secret/data/f/x?version=1'],
        ['POST', 'secret/data/f/x', { body: { data: { a: 2 } } }],
        ['PATCH', 'secret/data/f/x', { body: { data: { a: 3 } } }],
        ['GET', 'secret/data/f/x', { headers: { 'X-Vault-Wrap-TTL': '60' } }],
        ['GET', 'secret/data/f/x', { token: '' }],
        ['GET', 'secret/data/f/x?help=1'],
      ],
      'auth/userpass/login/ann': [
        ['POST', 'auth/userpass/login/ann', { token: '', body: { password: 'password' } }],
        ['PUT', 'auth/userpass/login/ANN', { token: '', body: { password: 'password' } }],
        ['POST', 'auth/userpass/login/Ann', { token: '', body: 'not JSON' }],
      ],
    };
    for (const [path, ways] of Object.entries(routes)) {
      await limit({ path, rate: 1, interval: '1h', group_by: 'none' });
      for (const [index, [method, url, sent]] of ways.entries()) {
        const { status } = await node.request(method, url, sent);
        if (index === 0) assert.equal(status, 200, `${method} ${url}`);
        else assert.equal(status, 429, `${method} ${url}`);
      }
    }
  });

  it('of a path leave its neighbours alone, and end in a star where they mean all below', async () => {
    await limit({ path: 'secret/data/team/*', rate: 1, interval: '1h' });
    for (const path of ['team/a', 'teams', 'a', 'team/b'])
      await node.ok('POST', `secret/data/${path}`, { body: { data: {} }, headers: fresh() });
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/teams'), [200, 200]);
    assert.equal((await node.request('GET', 'secret/data/team/a')).status, 200);
    assert.equal((await node.request('GET', 'secret/data/team/b')).status, 429);
  });

  it('of a role hold for its logins alone, and before the one of its mount', async () => {
    await node.ok('POST', 'auth/approle/role/web', {
      body: { bind_secret_id: false, secret_id_bound_cidrs: ['0.0.0.0/0'] },
    });
    const { role_id } = (await node.ok('GET', 'auth/approle/role/web/role-id')).data as { role_id: string };
    await limit({ path: 'auth/approle', role: 'web', rate: 1, interval: '1h' }, 'web');
    await limit({ path: 'auth/userpass', role: 'ann', rate: 3, interval: '1h' }, 'ann');
    await limit({ path: 'auth/userpass', rate: 1, interval: '1h' }, 'all');
    const approle = { token: '', body: { role_id } };
    assert.deepEqual(await statuses(2, 'POST', 'auth/approle/login', approle), [200, 429]);
    const other = { token: '', body: { role_id: 'another' } };
    assert.deepEqual(await statuses(2, 'POST', 'auth/approle/login', other), [400, 400]);
    const login = { token: '', body: { password: 'password' } };
    assert.deepEqual(await statuses(4, 'POST', 'auth/userpass/login/ann', login), [200, 200, 200, 429]);
    assert.deepEqual(await statuses(2, 'POST', 'auth/userpass/login/bob', login), [200, 429]);
    for (const body of [
      { path: 'secret', role: 'web', rate: 1 },
      { path: 'auth/token', role: 'web', rate: 1 },
      { path: '', role: 'web', rate: 1 },
    ])
      assert.equal((await node.request('POST', 'sys/quotas/rate-limit/bad', { body })).status, 400);
  });

  it('are asked before a body is parsed', async () => {
    await limit({ path: 'auth/userpass', rate: 1, interval: '1h' });
    const body = '['.repeat(10 * 1024 * 1024);
    assert.equal((await node.request('POST', 'auth/userpass/login/ann', { token: '', body })).status, 413);
    for (let i = 0; i < 20; i++)
      assert.equal((await node.request('POST', 'auth/userpass/login/ann', { token: '', body })).status, 429);
  });

  it('hold for paths that answer before all others, except those that are exempt', async () => {
    await limit({ rate: 1, interval: '1h' }, 'global');
    for (const path of ['sys/health', 'sys/seal-status', 'sys/internal/ui/mounts'])
      assert.deepEqual(await statuses(3, 'GET', path, { token: '' }), [200, 200, 200], path);
    assert.deepEqual(await statuses(2, 'GET', 'sys/leader', { token: '' }), [200, 429]);
    await node.ok('POST', 'sys/quotas/config', {
      body: { rate_limit_exempt_paths: ['sys/leader'], absolute_rate_limit_exempt_paths: ['secret/data/*'] },
      headers: fresh(),
    });
    assert.deepEqual(await statuses(2, 'GET', 'sys/leader', { token: '' }), [200, 200]);
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/a'), [200, 200]);
    const headers = fresh();
    assert.deepEqual(await statuses(2, 'GET', 'sys/health', { token: '', headers }), [200, 429]);
  });

  it('say what is left on every reply where that is wanted', async () => {
    await limit({ path: 'secret', rate: 2, interval: '10s' });
    const told = ({ headers }: Answer) =>
      ['limit', 'remaining', 'reset'].map((each) => headers[`x-ratelimit-${each}`]);
    assert.deepEqual(told(await node.request('GET', 'secret/data/a')), [undefined, undefined, undefined]);
    await node.ok('POST', 'sys/quotas/config', { body: { enable_rate_limit_response_headers: true } });
    node.sleep(4000);
    assert.deepEqual(told(await node.request('GET', 'secret/data/none')), ['2', '0', '6']);
    assert.deepEqual(told(await node.request('GET', 'secret/data/a')), ['2', '0', '6']);
    assert.deepEqual(told(await node.request('GET', 'sys/mounts')), [undefined, undefined, undefined]);
  });

  it('leave refusals out of the audit log unless they are wanted there', async () => {
    await limit({ path: 'auth/userpass', rate: 1, interval: '1h' });
    const login = () =>
      node.request('POST', 'auth/userpass/login/ann', { token: '', body: { password: 'a canary' } });
    await login();
    node.newAuditEntries();
    assert.equal((await login()).status, 429);
    assert.deepEqual(node.newAuditEntries(), []);
    await node.ok('POST', 'sys/quotas/config', { body: { enable_rate_limit_audit_logging: true } });
    node.newAuditEntries();
    assert.equal((await login()).status, 429);
    const entries = node.newAuditEntries();
    assert.deepEqual(
      entries.map(({ type, request }) => [type, request.path]),
      [
        ['request', 'auth/userpass/login/ann'],
        ['response', 'auth/userpass/login/ann'],
      ],
    );
    assert.match(entries[1]!.error!, /rate limit quota exceeded/);
    assert.ok(!node.auditLog().includes('a canary'));
    const metrics = await node.request('GET', 'sys/metrics?format=prometheus');
    assert.match(metrics.text, /vault_quota_rate_limit_violation\{name="q"\} \d/);
  });

  it('are kept over seal and restart, keep what is not said, and go one by one', async () => {
    await limit({ path: 'secret/', rate: 1.5, interval: '2m', block_interval: 60 });
    await limit({ rate: 7 });
    const expected = {
      name: 'q',
      type: 'rate-limit',
      path: 'secret/',
      rate: 7,
      interval: 120,
      block_interval: 60,
      role: '',
      inheritable: false,
      group_by: 'ip',
      secondary_rate: 0,
    };
    assert.deepEqual((await node.ok('GET', 'sys/quotas/rate-limit/q')).data, expected);
    await limit({ rate: 1 });
    await node.restart();
    assert.deepEqual((await node.ok('GET', 'sys/quotas/rate-limit/q')).data, { ...expected, rate: 1 });
    assert.deepEqual((await node.ok('LIST', 'sys/quotas/rate-limit')).data, { keys: ['q'] });
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/a'), [200, 429]);
    await node.ok('DELETE', 'sys/quotas/rate-limit/q');
    assert.deepEqual(await statuses(2, 'GET', 'secret/data/a'), [200, 200]);
    assert.equal((await node.request('GET', 'sys/quotas/rate-limit/q')).status, 404);
    assert.equal((await node.request('LIST', 'sys/quotas/rate-limit')).status, 404);
    await node.ok('DELETE', 'sys/quotas/rate-limit/q');
  });

  it('refuse what makes no sense, and two for the same', async () => {
    await limit({ path: 'secret', rate: 100 });
    for (const body of [
      {},
      { rate: 0 },
      { rate: -1 },
      { rate: 'many' },
      { rate: 1, interval: 'soon' },
      { rate: 1, interval: -5 },
      { rate: 1, block_interval: -5 },
      { rate: 1, path: 'nowhere' },
      { rate: 1, path: 'sec*/data' },
      { rate: 1, group_by: 'colour' },
      { rate: 1, path: 'kv', inheritable: true },
    ])
      assert.equal(
        (await node.request('POST', 'sys/quotas/rate-limit/bad', { body })).status,
        400,
        JSON.stringify(body),
      );
    const second = await node.request('POST', 'sys/quotas/rate-limit/second', {
      body: { path: 'secret/', rate: 1 },
    });
    assert.equal(second.status, 400);
    assert.match(second.text, /quota rule with similar properties exists under the name \\"q\\"/);
    const token = await node.tokenWith('path "sys/quotas/*" { capabilities = ["read", "list"] }');
    assert.equal(
      (await node.request('POST', 'sys/quotas/rate-limit/q', { token, body: { rate: 9 } })).status,
      403,
    );
    assert.equal((await node.request('GET', 'sys/quotas/rate-limit/q', { token })).status, 200);
  });

  it('go with their mount, wherever it moves', async () => {
    await node.ok('POST', 'sys/mounts/there', { body: { type: 'kv' } });
    await limit({ path: 'there/x', rate: 1, interval: '1h' });
    await node.ok('POST', 'sys/remount', { body: { from: 'there', to: 'elsewhere' } });
    assert.equal((await node.ok('GET', 'sys/quotas/rate-limit/q')).data.path, 'elsewhere/x');
    assert.deepEqual(await statuses(2, 'GET', 'elsewhere/x'), [404, 429]);
    await node.ok('DELETE', 'sys/mounts/elsewhere');
    assert.equal((await node.request('GET', 'sys/quotas/rate-limit/q')).status, 404);
  });
});

const DEFAULTS = {
  rate_limit_exempt_paths: [
    'sys/internal/ui/mounts',
    'sys/generate-recovery-token/attempt',
    'sys/generate-recovery-token/update',
    'sys/generate-root/attempt',
    'sys/generate-root/update',
    'sys/health',
    'sys/seal-status',
    'sys/unseal',
  ],
  absolute_rate_limit_exempt_paths: [],
  enable_rate_limit_audit_logging: false,
  enable_rate_limit_response_headers: false,
};

let addresses = 0;
/** As if from an address that has not been seen. */
function fresh(): Record<string, string> {
  return { 'X-Forwarded-For': `198.51.100.${++addresses}` };
}
