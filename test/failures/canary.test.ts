/**
 * Canaries in every field that holds a secret, in what is taken, refused and malformed, in headers and bytes: afterwards
 * they are nowhere but in the store, which is encrypted, and in the replies that give them to whoever may have them.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Answer } from '../services/http.ts';
import { callAsMeant, type Endpoint, endpoints, prepare, query, sendsBody } from './endpoints.ts';
import { FailureNode } from './node.ts';

describe('canaries', () => {
  let node: FailureNode;
  let all: Endpoint[];
  /** Given out by the server, which knows of no canaries. */
  const given: string[] = [];
  let planted = 0;
  const canary = (what: string) => `canary-${planted++}-${what.replace(/\W/g, '')}`;
  const told: string[] = [];
  /** A refusal must not show the secret it is about. */
  const refused = ({ status, text }: Answer, what: string) => {
    if (status >= 400 && text.includes('canary-')) told.push(`${what}: ${text}`);
  };
  before(async () => {
    node = await FailureNode.start({ onDisk: true });
    await node.mountEverything();
    all = endpoints(node);
    await prepare(node);
    given.push(
      node.rootToken,
      ...node.keys,
      ...node.keys.map((key) => Buffer.from(key, 'base64').toString('hex')),
    );
    await node.ok('POST', 'sys/config/auditing/request-headers/x-canary', { body: { hmac: true } });
  });
  after(() => node.stop());

  it('planted in every secret field, and where they do not belong', async () => {
    for (const endpoint of all.filter(sendsBody)) {
      const { path, method, url, body } = endpoint;
      const token = await node.tokenWith(
        'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }',
      );
      given.push(token);
      const secretFields = Object.entries(path.fields)
        .filter(([, field]) => field.secret)
        .map(([name]) => name);
      const members = path.freeForm
        ? ['sample', 'nested']
        : [...secretFields, ...(path.fields.data ? ['data'] : [])];
      for (const name of [...members, 'no_such_field']) {
        const secret = canary(`${path.pattern}_${name}`);
        for (const value of [secret, [secret], { inner: secret }, `${secret}\u0000`, `{"a": "${secret}"`]) {
          refused(
            await node.request(method, url, { token, body: { ...body, [name]: value } }),
            `${url} ${name}`,
          );
        }
        refused(await node.request(method, url, { token, body: { [name]: secret } }), `${url} ${name}`);
      }
      const [first] = Object.keys(path.fields);
      const malformed = [
        `{"${first}": "${canary('broken')}"`,
        `{"${first}": "${canary('extra')}"} x`,
        `"${canary('text')}"`,
        `["${canary('list')}"]`,
        `${first}=${canary('form')}`,
      ];
      for (const text of malformed) await node.request(method, url, { token, body: text });
      const bytes = Buffer.from(canary('bytes'));
      await node.request(method, url, {
        token,
        body: bytes,
        headers: { 'Content-Type': 'application/octet-stream' },
      });
      await node.request(method, url, { token, body: Buffer.concat([Buffer.from([0xff, 0x00]), bytes]) });
      await node.request(method, url, {
        token: canary('token'),
        body: { [first ?? 'a']: canary('refused') },
        headers: { 'X-Canary': canary('header'), Authorization: `Bearer ${canary('bearer')}` },
      });
      await node.request(method, url, {
        token: '',
        body,
        headers: {
          Authorization: `Bearer ${canary('bearer')}`,
          'X-Vault-Wrap-TTL': canary('wrap'),
          'X-Vault-MFA': canary('mfa'),
        },
      });
    }
    assert.deepEqual(told, []);
    await assertNowhere(node, given);
  });

  it('planted in queries and headers of reads, lists and deletions', async () => {
    for (const endpoint of all.filter((each) => !sendsBody(each))) {
      const { auth } = await node.ok('POST', 'auth/token/create', { body: { policies: ['root'] } });
      given.push(auth.client_token);
      const parameters = Object.fromEntries(
        ['token', 'secret_id', 'key', 'no_such_field'].map((name) => [name, canary(name)]),
      );
      const headers = {
        'X-Canary': canary('header'),
        Cookie: canary('cookie'),
        'X-Vault-MFA': canary('mfa'),
      };
      await node.request(endpoint.method, `${endpoint.url}${query({ ...endpoint.body, ...parameters })}`, {
        token: auth.client_token,
        headers,
      });
      await callAsMeant(node, endpoint, canary('token'), headers);
    }
    await assertNowhere(node, given);
  });

  it('in what is given out: tokens, secret-ids, wrapped replies, generated passwords', async () => {
    await prepare(node).catch(() => {});
    const keep = (...values: unknown[]) => given.push(...values.map(String));
    const password = canary('password');
    await node.ok('POST', 'auth/userpass/users/canary', { body: { password } });
    const { auth } = await node.ok('POST', 'auth/userpass/login/canary', { token: '', body: { password } });
    keep(auth.client_token);
    await node.request('POST', 'auth/userpass/login/canary', {
      token: '',
      body: { password: canary('wrong') },
    });
    const role = await node.ok('GET', 'auth/approle/role/sample/role-id');
    const made = await node.ok('POST', 'auth/approle/role/sample/secret-id');
    keep(made.data.secret_id);
    const login = await node.ok('POST', 'auth/approle/login', {
      token: '',
      body: { role_id: role.data.role_id, secret_id: made.data.secret_id },
    });
    keep(login.auth.client_token);
    const secret = canary('wrapped');
    const { wrap_info } = await node.ok('POST', 'sys/wrapping/wrap', {
      body: { secret },
      headers: { 'X-Vault-Wrap-TTL': '60' },
    });
    const again = await node.ok('POST', 'sys/wrapping/rewrap', { token: wrap_info.token });
    await node.ok('POST', 'sys/wrapping/unwrap', { body: { token: again.wrap_info.token } });
    await node.request('POST', 'sys/wrapping/unwrap', { token: wrap_info.token });
    keep(wrap_info.token, again.wrap_info.token);
    const generated = await node.ok('GET', 'sys/policies/password/sample/generate');
    keep(generated.data.password);
    await node.ok('POST', 'secret/data/canary', { body: { data: { secret: canary('kv') } } });
    await node.ok('GET', 'secret/data/canary');
    for (const type of ['service', 'batch'])
      keep(
        (await node.ok('POST', 'auth/token/create', { body: { policies: ['default'], type } })).auth
          .client_token,
      );
    await node.request('POST', 'sys/unseal', { token: '', body: { key: canary('share') } });
    await node.server.lifecycle.seal();
    for (const key of [canary('share'), ...node.keys])
      await node.request('POST', 'sys/unseal', { token: '', body: { key } });
    await assertNowhere(node, given);
  });

  it('in configuration that is read back', async () => {
    const failures: string[] = [];
    for (const endpoint of all.filter(
      ({ path, operation }) => operation === 'write' && path.operations.read && !path.freeForm,
    )) {
      const { path, url, body } = endpoint;
      for (const name of Object.keys(path.fields).filter((each) => path.fields[each]!.secret)) {
        await node.request('POST', url, { body: { ...body, [name]: canary(name) } });
        const { text } = await node.request('GET', url);
        if (text.includes('canary-')) failures.push(`GET ${url} shows ${name}`);
      }
    }
    const dsn = {
      plugin_name: 'postgresql-database-plugin',
      verify_connection: false,
      connection_url: `postgresql://someone:${canary('dsn')}@127.0.0.1:1/db`,
    };
    await node.ok('POST', 'database/config/canary', { body: dsn });
    const shown = await node.request('GET', 'database/config/canary');
    if (shown.text.includes('canary-'))
      failures.push('GET database/config shows the password in connection_url');
    await node.request('GET', 'database/creds/sample');
    assert.deepEqual(failures, []);
    await assertNowhere(node, given);
  });

  it('where one audit device shows all, in no other', async () => {
    const raw = join(node.folder, 'raw.log');
    await node.ok('POST', 'sys/audit/raw', {
      body: { type: 'file', options: { file_path: raw, log_raw: 'true' } },
    });
    const secret = canary('raw');
    await node.ok('POST', 'secret/data/raw', { body: { data: { secret } } });
    await node.ok('DELETE', 'sys/audit/raw');
    assert.ok(readFileSync(raw, 'utf8').includes(secret), 'the raw device shows it');
    await assertNowhere(node, given, [raw]);
  });
});

async function assertNowhere(
  node: FailureNode,
  given: readonly string[],
  except: readonly string[] = [],
): Promise<void> {
  const places = new Map<string, string>([
    ['the server log', node.serverLog()],
    ['metrics', (await node.request('GET', 'sys/metrics')).text],
    ['prometheus metrics', (await node.request('GET', 'sys/metrics?format=prometheus')).text],
    ['requests in flight', (await node.request('GET', 'sys/in-flight-req')).text],
  ]);
  const files = [...filesUnder(node.folder), ...ownTemporaryFiles()];
  for (const file of files) if (!except.includes(file)) places.set(file, readFileSync(file, 'latin1'));
  assert.ok(places.get(node.auditFile)?.includes('hmac-sha256:'), 'the audit log is among them');
  const found: string[] = [];
  for (const [place, text] of places) {
    for (const { index } of text.matchAll(/canary-\d/g)) found.push(`${place}: ${around(text, index)}`);
    for (const secret of given) {
      const index = text.indexOf(secret);
      if (index >= 0) found.push(`${place}: ${around(text, index)}`);
    }
  }
  assert.deepEqual(found, []);
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What the process may have left beside its folder. */
function ownTemporaryFiles(): string[] {
  return readdirSync(tmpdir(), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith('coffer'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function around(text: string, at: number): string {
  return text.slice(Math.max(0, at - 200), at + 80);
}
