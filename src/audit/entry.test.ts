import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../base/errors.ts';
import { createRenderer, type RenderOptions } from './entry.ts';
import type { AuditedHeader } from './headers.ts';
import type { AuditAuth, AuditRecord, AuditRequest } from './record.ts';

const SALT = Buffer.from('a salt');
const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function hashed(text: string): string {
  return `hmac-sha256:${createHmac('sha256', SALT).update(text).digest('hex')}`;
}

/** As much of an entry's shape as the tests look into. */
interface Shown {
  readonly auth: Shown;
  readonly request: Shown;
  readonly response: Shown;
  readonly data: Shown;
  readonly keys: readonly unknown[];
  readonly headers: unknown;
  readonly accessor: unknown;
  readonly client_token: unknown;
  readonly client_token_accessor: unknown;
  readonly error: unknown;
}

function render(
  record: AuditRecord,
  options: Partial<RenderOptions> = {},
  headers: [string, AuditedHeader][] = [],
): Shown {
  const all = { hmacAccessor: true, logRaw: false, elideListResponses: false, ...options };
  return JSON.parse(createRenderer(SALT, all, new Map(headers)).render(record, TIME_MS));
}

const auth: AuditAuth = {
  clientToken: 'hvs.token',
  accessor: 'accessor',
  displayName: 'approle',
  policies: ['default', 'web'],
  tokenPolicies: ['default', 'web'],
  policyResults: { allowed: true, grantingPolicies: [{ name: 'web', type: 'acl', namespaceId: 'root' }] },
  metadata: { role_name: 'web' },
  entityId: '',
  tokenType: 'service',
  tokenTtl: 3600,
  tokenIssueTimeMs: TIME_MS,
};
const request: AuditRequest = {
  id: '740e8209-f0b6-65e5-f297-1d7f44ead128',
  operation: 'update',
  mount: { point: 'secret/', type: 'kv', accessor: 'kv_1', class: 'secret', runningVersion: 'v1' },
  clientToken: 'hvs.token',
  clientTokenAccessor: 'accessor',
  namespace: { id: 'root', path: '' },
  path: 'secret/data/web',
  data: { data: { password: 'hunter22', port: 5432, on: true, none: null }, options: {} },
  remoteAddress: '127.0.0.1',
  remotePort: 40_000,
  wrapTtl: 60,
};

test('an entry has the documented members, hashed where they are sensitive', () => {
  const entry = render({ type: 'request', auth, request });
  assert.deepEqual(entry, {
    time: '2026-01-02T03:04:05.678000000Z',
    type: 'request',
    auth: {
      client_token: hashed('hvs.token'),
      accessor: hashed('accessor'),
      display_name: 'approle',
      policies: ['default', 'web'],
      token_policies: ['default', 'web'],
      policy_results: {
        allowed: true,
        granting_policies: [{ name: 'web', namespace_id: 'root', type: 'acl' }],
      },
      metadata: { role_name: 'web' },
      token_type: 'service',
      token_ttl: 3600,
      token_issue_time: '2026-01-02T03:04:05Z',
    },
    request: {
      id: '740e8209-f0b6-65e5-f297-1d7f44ead128',
      operation: 'update',
      mount_point: 'secret/',
      mount_type: 'kv',
      mount_accessor: 'kv_1',
      mount_running_version: 'v1',
      mount_class: 'secret',
      client_token: hashed('hvs.token'),
      client_token_accessor: hashed('accessor'),
      namespace: { id: 'root' },
      path: 'secret/data/web',
      data: { data: { password: hashed('hunter22'), port: 5432, on: true, none: null }, options: {} },
      remote_address: '127.0.0.1',
      remote_port: 40_000,
      wrap_ttl: 60,
    },
  });
});

test('a reply shows its token, lease and wrapping token by hash', () => {
  const { response } = render({
    type: 'response',
    auth,
    request,
    response: {
      auth: { clientToken: 'hvs.new', accessor: 'new', policies: ['web'] },
      leaseId: 'database/creds/web/1',
      data: { keys: ['a', 'b'] },
      warnings: ['careful'],
      headers: { 'content-type': 'x' },
      wrapInfo: {
        ttl: 60,
        token: 'hvs.wrap',
        accessor: 'wa',
        creationTimeMs: TIME_MS,
        wrappedAccessor: 'new',
      },
    },
  });
  assert.deepEqual(response, {
    auth: { client_token: hashed('hvs.new'), accessor: hashed('new'), policies: ['web'] },
    mount_point: 'secret/',
    mount_type: 'kv',
    mount_accessor: 'kv_1',
    mount_running_plugin_version: 'v1',
    mount_class: 'secret',
    secret: { lease_id: 'database/creds/web/1' },
    warnings: ['careful'],
    headers: { 'content-type': ['x'] },
    wrap_info: {
      ttl: 60,
      token: hashed('hvs.wrap'),
      accessor: hashed('wa'),
      creation_time: '2026-01-02T03:04:05.678000000Z',
      wrapped_accessor: hashed('new'),
    },
    data: { keys: [hashed('a'), hashed('b')] },
  });
});

test('hmac_accessor=false shows accessors, and only these', () => {
  const entry = render({ type: 'request', auth, request }, { hmacAccessor: false });
  assert.equal(entry.auth.accessor, 'accessor');
  assert.equal(entry.request.client_token_accessor, 'accessor');
  assert.equal(entry.auth.client_token, hashed('hvs.token'));
});

test('log_raw shows everything', () => {
  const entry = render({ type: 'request', auth, request }, { logRaw: true });
  assert.equal(entry.auth.client_token, 'hvs.token');
  assert.deepEqual(entry.request.data, request.data);
});

test('the names a mount exempts stay readable, at any depth, in requests and replies apart', () => {
  const data = { name: 'n', list: ['a', 'b'], deep: { name: 'm', other: 'o' } };
  const mount = { ...request.mount!, nonHmacRequestKeys: ['name', 'list'], nonHmacResponseKeys: ['other'] };
  const entry = render({ type: 'response', request: { ...request, mount, data }, response: { data } });
  assert.deepEqual(entry.request.data, {
    name: 'n',
    list: ['a', 'b'],
    deep: { name: 'm', other: hashed('o') },
  });
  assert.deepEqual(entry.response.data, {
    name: hashed('n'),
    list: [hashed('a'), hashed('b')],
    deep: { name: hashed('m'), other: 'o' },
  });
});

test('elide_list_responses counts what was listed, of lists only and where it has the usual types', () => {
  const options = { elideListResponses: true };
  const data = { keys: ['a', 'b', 'c'], key_info: { a: {}, b: {} }, other: 'x' };
  const list = { ...request, operation: 'list' as const };
  const elided = render({ type: 'response', request: list, response: { data } }, options);
  assert.deepEqual(elided.response.data, { keys: 3, key_info: 2, other: hashed('x') });
  const odd = render(
    { type: 'response', request: list, response: { data: { keys: 'a', key_info: ['b'] } } },
    options,
  );
  assert.deepEqual(odd.response.data, { keys: hashed('a'), key_info: [hashed('b')] });
  const read = render({ type: 'response', request, response: { data } }, options);
  assert.equal(read.response.data.keys.length, 3);
});

test('only configured headers are shown, hashed if so configured', () => {
  const headers = { 'user-agent': 'curl', 'x-secret': ['s1', 's2'], cookie: 'c', constructor: undefined };
  const entry = render({ type: 'request', request: { ...request, headers } }, {}, [
    ['user-agent', { hmac: false }],
    ['x-secret', { hmac: true }],
    ['x-missing', { hmac: true }],
    ['tostring', { hmac: false }],
  ]);
  assert.deepEqual(entry.request.headers, {
    'user-agent': ['curl'],
    'x-secret': [hashed('s1'), hashed('s2')],
  });
});

test('what is not JSON is hidden by its type', () => {
  const secret = Buffer.from('binary secret');
  const data = {
    buffer: secret,
    view: new Uint16Array([1, 2]),
    arrayBuffer: new Uint8Array([1]).buffer,
    date: new Date(TIME_MS),
    big: 12n,
    map: new Map([['k', 'v']]),
    set: new Set(['s']),
    missing: undefined,
    call: () => 'secret',
    list: [undefined, Number.NaN],
    huge: Buffer.alloc(2 * 1024 * 1024),
  };
  const entry = render({ type: 'request', request: { ...request, data } });
  assert.deepEqual(entry.request.data, {
    buffer: hashed(secret.toString('base64')),
    view: hashed(Buffer.from([1, 0, 2, 0]).toString('base64')),
    arrayBuffer: hashed('AQ=='),
    date: hashed('2026-01-02T03:04:05.678Z'),
    big: hashed('12'),
    map: { k: hashed('v') },
    set: [hashed('s')],
    call: null,
    list: [null, null],
    huge: '[binary, 2097152 bytes]',
  });
});

test('depth is bounded and dangerous names are only names', () => {
  let deep: unknown = 'secret';
  for (let depth = 0; depth < 10_000; depth++) deep = { deep };
  assert.match(
    JSON.stringify(render({ type: 'request', request: { ...request, data: deep } })),
    /nested too deeply/,
  );
  const data: unknown = JSON.parse('{"__proto__":{"a":"b"},"constructor":"c","toJSON":"d"}');
  const text = createRenderer(
    SALT,
    { hmacAccessor: true, logRaw: false, elideListResponses: false },
    new Map(),
  ).render({ type: 'request', request: { ...request, data } }, TIME_MS);
  assert.ok(
    text.includes(
      `{"__proto__":{"a":"${hashed('b')}"},"constructor":"${hashed('c')}","toJSON":"${hashed('d')}"}`,
    ),
  );
});

test('an error of ours shows its text without what the caller sent; of any other, nothing is shown', () => {
  const quoting = new InvalidRequest('cannot use "hunter22" with token hvs.token: "hun\\"ter"');
  const data = { password: 'hunter22', deep: [{ odd: 'hun"ter' }], port: 'at' };
  const sent = { ...request, data };
  const { error } = render({ type: 'response', request: sent, error: quoting });
  assert.equal(
    error,
    `cannot use "${hashed('hunter22')}" with token ${hashed('hvs.token')}: "${hashed('hun"ter')}"`,
  );
  assert.equal(render({ type: 'response', request, error: new Error('hunter22') }).error, 'internal error');
  assert.equal(
    render({ type: 'response', request: sent, error: quoting }, { logRaw: true }).error,
    quoting.message,
  );
});

test('whatever the data, no string of it can be read in the entry', () => {
  const canary = 'canary-4a91c2';
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(
      canary,
      `${canary}"\n`,
      Buffer.from(canary),
      5,
      true,
      null,
      new Map([['k', canary]]),
    ),
    fc.string(),
  );
  const { data } = fc.letrec<{ data: unknown }>((tie) => ({
    data: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('data'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('data'), { maxKeys: 3 }),
    ),
  }));
  const all = { hmacAccessor: false, logRaw: false, elideListResponses: true };
  const renderer = createRenderer(SALT, all, new Map());
  fc.assert(
    fc.property(data, fc.constantFrom('list', 'read', 'update'), (value, operation) => {
      const error = new InvalidRequest(`bad ${JSON.stringify(value)}`);
      const record: AuditRecord = {
        type: 'response',
        auth: { ...auth, clientToken: canary },
        request: { ...request, operation, data: value, clientToken: canary },
        response: { data: value, wrapInfo: { ttl: 1, token: canary, creationTimeMs: 0 } },
      };
      for (const shown of [record, { ...record, response: undefined, error }]) {
        const text = renderer.render(shown, TIME_MS);
        JSON.parse(text);
        assert.ok(!text.includes(canary), text);
        assert.ok(!text.includes(Buffer.from(canary).toString('base64')), text);
      }
    }),
    { numRuns: 300 },
  );
});

test('a closed renderer has no salt any more', () => {
  const renderer = createRenderer(
    SALT,
    { hmacAccessor: true, logRaw: false, elideListResponses: false },
    new Map(),
  );
  assert.equal(renderer.hash('x'), hashed('x'));
  renderer.close();
  assert.throws(() => renderer.hash('x'));
});
