/**
 * The same operation by another route meets the same checks and leaves the same trace in the audit log: older paths,
 * a body member in the place of what the path says, lists by GET, HEAD, forms, wrapped requests.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { callAsMeant, type Endpoint, endpoints, prepare, query } from './endpoints.ts';
import { type AuditEntry, FailureNode } from './node.ts';

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

describe('another route to the same operation', () => {
  let node: FailureNode;
  let all: Endpoint[];
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    all = endpoints(node);
    await prepare(node);
  });
  after(() => node.stop());

  it('is the older path of one, with the same demands', () => {
    const sudo = new Map(
      all.map(({ url, method, path, operation }) => [
        `${method} ${url}`,
        path.sudo || path.operations[operation]?.sudo || false,
      ]),
    );
    const pairs = [
      ['POST sys/renew', 'POST sys/leases/renew'],
      ['POST sys/revoke', 'POST sys/leases/revoke'],
      ['POST sys/revoke-prefix/sample', 'POST sys/leases/revoke-prefix/sample'],
      ['POST sys/revoke-force/sample', 'POST sys/leases/revoke-force/sample'],
      ['POST sys/rotate', 'POST sys/rotate/keyring'],
      ['GET sys/policy/sample', 'GET sys/policies/acl/sample'],
      ['POST sys/policy/sample', 'POST sys/policies/acl/sample'],
      ['DELETE sys/policy/sample', 'DELETE sys/policies/acl/sample'],
      ['LIST sys/leases/lookup', 'LIST sys/leases/lookup/sample'],
    ] as const;
    for (const [older, newer] of pairs) {
      assert.ok(sudo.has(older) && sudo.has(newer), `${older}, ${newer}`);
      assert.equal(sudo.get(older), sudo.get(newer), older);
    }
  });

  it('needs sudo wherever the API documents that it does', async () => {
    const token = await node.tokenWith(
      'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "scan"] }',
    );
    for (const [method, path] of SUDO) {
      assert.equal(
        (await node.request(method, path, { token, ...(method === 'POST' ? { body: {} } : {}) })).status,
        403,
        `${method} ${path}`,
      );
    }
    const periodic = await node.request('POST', 'auth/token/create', { token, body: { period: '1h' } });
    assert.equal(periodic.status, 400);
    const throughRole = await node.request('POST', 'auth/token/create/sample', {
      token,
      body: { period: '1h' },
    });
    assert.equal(throughRole.status, 400, throughRole.text);
  });

  it('is a lease in the body that the path does not name', async () => {
    for (const route of ['sys/leases/revoke', 'sys/revoke', 'sys/leases/renew', 'sys/renew']) {
      const [mine, other] = [await lease(node), await lease(node)];
      const token = await node.tokenWith(`path "${route}/${mine.id}" { capabilities = ["update"] }`);
      const before = await node.ok('POST', 'sys/leases/lookup', { body: { lease_id: other.id } });
      await node.request('POST', `${route}/${mine.id}`, {
        token,
        body: { lease_id: other.id, increment: 7, sync: true },
      });
      const now = await node.ok('POST', 'sys/leases/lookup', { body: { lease_id: other.id } });
      assert.equal(now.data.expire_time, before.data.expire_time, `${route} reached the lease in the body`);
    }
  });

  it('is a token role in the body of auth/token/create', async () => {
    const token = await node.tokenWith('path "auth/token/create" { capabilities = ["update"] }');
    const answer = await node.request('POST', 'auth/token/create', {
      token,
      body: { role_name: 'sample', policies: ['sample'] },
    });
    assert.equal(answer.status, 400, answer.text);
  });

  it('is a list by GET', async () => {
    for (const endpoint of all.filter(({ operation }) => operation === 'list' || operation === 'scan')) {
      const { url, operation } = endpoint;
      const reader = await node.tokenWith(
        `path "${url}" { capabilities = ["read", "sudo"] }\npath "${url}/" { capabilities = ["read", "sudo"] }`,
      );
      for (const spelled of [
        `${url}?${operation}=true`,
        `${url}/?${operation}=1`,
        `${url}?${operation}=True`,
      ]) {
        assert.equal((await node.request('GET', spelled, { token: reader })).status, 403, spelled);
      }
      assert.equal((await callAsMeant(node, endpoint, reader)).status, 403, url);
      const lister = await node.tokenWith(`path "${url}/" { capabilities = ["${operation}", "sudo"] }`);
      const [plain, byGet] = [
        await callAsMeant(node, endpoint, lister),
        await node.request('GET', `${url}?${operation}=true`, { token: lister }),
      ];
      assert.equal(byGet.status, plain.status, url);
      assert.deepEqual(dataOf(byGet.text), dataOf(plain.text), url);
    }
  });

  it('is HEAD', async () => {
    for (const { url, path, body } of all.filter(({ operation }) => operation === 'read')) {
      if (path.public) continue;
      const token = await node.tokenWith(`path "${url}" { capabilities = ["list", "update", "sudo"] }`, {
        no_default_policy: true,
      });
      assert.equal((await node.request('HEAD', `${url}${query(body)}`, { token })).status, 403, url);
    }
  });

  it('is a form, a PATCH or a query where a policy denies a parameter', async () => {
    const rules =
      'path "kv/guarded" { capabilities = ["create", "update", "patch"] denied_parameters = { "forbidden" = [] } }';
    const token = await node.tokenWith(rules);
    const send = (method: string, path: string, body?: unknown, headers = {}) =>
      node.request(method, path, { token, body, headers });
    const refused = [
      await send('POST', 'kv/guarded', { forbidden: 'x' }),
      await send('PUT', 'kv/guarded', { forbidden: 'x' }),
      await send('POST', 'kv/guarded', 'forbidden=x', FORM),
      await send('POST', 'kv/guarded', 'a=1&%66orbidden=x', FORM),
      await send('POST', 'kv/guarded', '{"\\u0066orbidden":"x"}'),
      await send('POST', 'kv/guarded', '{"forbidden":null}'),
      await send('PATCH', 'kv/guarded', { forbidden: 'x' }),
    ];
    for (const [index, { status }] of refused.entries()) assert.equal(status, 403, `form ${index}`);
    await send('POST', 'kv/guarded?forbidden=x', { fine: 1 });
    assert.deepEqual((await node.ok('GET', 'kv/guarded')).data, { fine: 1 });
  });

  it('is a wrapped request', async () => {
    const failures: string[] = [];
    for (const endpoint of all.filter(({ path, method }) => !path.public && method !== 'DELETE')) {
      const { url } = endpoint;
      const path = endpoint.operation === 'list' || endpoint.operation === 'scan' ? `${url}/` : url;
      const token = await node.tokenWith(
        `path "${path}" { capabilities = ["${CAPABILITIES}"] min_wrapping_ttl = "10s" max_wrapping_ttl = "60s" }`,
      );
      for (const ttl of [undefined, '5', '61', '0']) {
        const { status } = await callAsMeant(
          node,
          endpoint,
          token,
          ttl === undefined ? {} : { 'X-Vault-Wrap-TTL': ttl },
        );
        if (status !== 403) failures.push(`${endpoint.method} ${url} wrapped for ${ttl}: ${status}`);
      }
      const { status, text } = await callAsMeant(node, endpoint, token, { 'X-Vault-Wrap-TTL': '30' });
      if (status >= 300 || text === '' || isShownPlain(endpoint.path.pattern)) continue;
      if (!(JSON.parse(text) as { wrap_info?: unknown }).wrap_info)
        failures.push(`${endpoint.method} ${url}: not wrapped though it had to be: ${text.slice(0, 100)}`);
    }
    assert.deepEqual(failures, []);
  });

  it('leaves one request and one response in the audit log, refused or not', async () => {
    const limited = await node.tokenWith('path "nothing" { capabilities = ["read"] }');
    const failures: string[] = [];
    for (const endpoint of all.filter(isRouted)) {
      for (const token of [node.rootToken, limited, 'hvs.unknown', '']) {
        if (token === node.rootToken && endpoint.path.pattern === 'revoke-self') continue;
        node.newAuditEntries();
        await callAsMeant(node, endpoint, token);
        const entries = node.newAuditEntries().filter((entry) => isAbout(entry, endpoint));
        const types = entries.map(({ type }) => type).join();
        if (types !== 'request,response')
          failures.push(`${endpoint.method} ${endpoint.url} with ${token.slice(0, 8)}: ${types}`);
        const ids = new Set(entries.map(({ request }) => request.id));
        if (ids.size > 1) failures.push(`${endpoint.method} ${endpoint.url}: two requests`);
      }
      if (endpoint.method === 'DELETE') await prepare(node).catch(() => {});
    }
    assert.deepEqual(failures, []);
  });
});

const CAPABILITIES = ['create', 'read', 'update', 'patch', 'list', 'scan', 'sudo'].join('", "');

/** Replies that are given back whole, and documents that hold no secret and are no JSON of the API. */
const SHOWN_PLAIN = new Set([
  'wrapping/unwrap',
  'wrapping/rewrap',
  'metrics',
  'internal/specs/openapi',
  'internal/counters/activity/export',
]);
const isShownPlain = (pattern: string) => SHOWN_PLAIN.has(pattern) || pattern.startsWith('pprof');

/** As the API's documentation lists its root-protected paths. */
const SUDO: readonly (readonly [string, string])[] = [
  ['LIST', 'auth/token/accessors'],
  ['POST', 'auth/token/create-orphan'],
  ['POST', 'auth/token/revoke-orphan'],
  ['GET', 'sys/audit'],
  ['POST', 'sys/audit/x'],
  ['DELETE', 'sys/audit/x'],
  ['GET', 'sys/auth/sample'],
  ['POST', 'sys/auth/x'],
  ['DELETE', 'sys/auth/sample'],
  ['GET', 'sys/auth/sample/tune'],
  ['POST', 'sys/auth/sample/tune'],
  ['GET', 'sys/config/auditing/request-headers'],
  ['GET', 'sys/config/auditing/request-headers/sample'],
  ['POST', 'sys/config/auditing/request-headers/sample'],
  ['DELETE', 'sys/config/auditing/request-headers/sample'],
  ['GET', 'sys/config/cors'],
  ['POST', 'sys/config/cors'],
  ['DELETE', 'sys/config/cors'],
  ['LIST', 'sys/config/ui/headers'],
  ['POST', 'sys/config/ui/headers/sample'],
  ['DELETE', 'sys/config/ui/headers/sample'],
  ['GET', 'sys/internal/inspect/router/uuid'],
  ['LIST', 'sys/leases/lookup'],
  ['LIST', 'sys/leases/lookup/sample'],
  ['POST', 'sys/leases/revoke-force/sample'],
  ['POST', 'sys/leases/revoke-prefix/sample'],
  ['GET', 'sys/plugins/catalog/secret/kv'],
  ['POST', 'sys/remount'],
  ['POST', 'sys/rotate'],
  ['POST', 'sys/seal'],
];

const STATUS_PATHS = new Set(['health', 'seal-status', 'seal-backend-status', 'leader']);

/** Some answer before the pipeline, without a token: probes of load balancers, and unsealing. */
function isRouted({ mount, path }: Endpoint): boolean {
  return !(mount.info.path === 'sys/' && STATUS_PATHS.has(path.pattern));
}

function isAbout({ request }: AuditEntry, { url }: Endpoint): boolean {
  return request.path.replace(/\/$/, '') === url.replace(/\/$/, '');
}

function dataOf(text: string): unknown {
  return text === '' ? undefined : ((JSON.parse(text) as { data?: unknown }).data ?? null);
}

/** A token's own lease: any will do. */
async function lease(node: FailureNode): Promise<{ id: string }> {
  const { keys: before = [] } = (
    await node.ok('LIST', 'sys/leases/lookup/auth/token/create').catch(() => ({ data: {} }))
  ).data;
  await node.ok('POST', 'auth/token/create', { body: { policies: ['default'], ttl: '1h' } });
  const { keys } = (await node.ok('LIST', 'sys/leases/lookup/auth/token/create')).data;
  const made = (keys as string[]).find((key) => !before.includes(key));
  return { id: `auth/token/create/${made}` };
}
