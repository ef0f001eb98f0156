/** Every operation of every path of every open mount, with a path and a body that it takes: what a harness walks over. */
import type { EnginePath, OperationName } from '../../src/engine/engine.ts';
import type { Field } from '../../src/engine/fields.ts';
import type { OpenMount } from '../../src/mounts/mounts.ts';
import { ROOT_NAMESPACE } from '../../src/namespaces/namespace.ts';
import { servedEverywhere } from '../../src/namespaces/restricted.ts';
import type { Answer } from '../services/http.ts';
import type { FailureNode } from './node.ts';

export interface Endpoint {
  readonly mount: OpenMount;
  readonly path: EnginePath;
  readonly operation: OperationName;
  readonly method: string;
  /** After `/v1/`, placeholders filled. */
  readonly url: string;
  readonly body: Record<string, unknown>;
}

const METHODS: Readonly<Record<OperationName, string>> = {
  read: 'GET',
  write: 'POST',
  patch: 'PATCH',
  delete: 'DELETE',
  list: 'LIST',
  scan: 'SCAN',
};

/** Would end the walk: the server with it, or a reply that never ends. */
const UNWALKABLE = new Set(['sys/seal', 'sys/step-down', 'sys/init', 'sys/unseal', 'sys/monitor']);

/** Of the mounts that are there now in the node's namespace; the deletions last, so that what comes before finds something. */
export function endpoints(node: FailureNode): Endpoint[] {
  const { mounts, namespaces, openSession } = node.domains;
  const namespace = namespaces.below(ROOT_NAMESPACE, node.namespace) ?? ROOT_NAMESPACE;
  const isServed = ({ mount, path }: Endpoint) =>
    namespace === ROOT_NAMESPACE || mount.entry.type !== 'system' || servedEverywhere(path.pattern);
  const all = [...mounts.table(openSession(), namespace.id).all()].flatMap(endpointsOf).filter(isServed);
  return all.sort((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'));
}

function endpointsOf(mount: OpenMount): Endpoint[] {
  return (mount.engine?.paths ?? [])
    .filter((path) => !UNWALKABLE.has(mount.info.path + path.pattern))
    .flatMap((path) =>
      (Object.keys(path.operations) as OperationName[]).map((operation) => ({
        mount,
        path,
        operation,
        method: METHODS[operation],
        url: mount.info.path + filled(path),
        body: bodyOf(mount.entry.type, path, operation),
      })),
    );
}

/** The path with its placeholders filled, by default with names that `prepare` has made something under. */
export function filled(path: EnginePath, value = (name: string) => PLACEHOLDERS.get(name) ?? SAMPLE): string {
  return path.pattern.replaceAll(PLACEHOLDER, (_, name: string) => value(name));
}

export function placeholders(path: EnginePath): string[] {
  return [...path.pattern.matchAll(PLACEHOLDER)].map((match) => match[1]!);
}

/** For reads, lists and deletions: parameters go into the query. */
export function query(parameters: Record<string, unknown>): string {
  const pairs = Object.entries(parameters).map(([name, value]) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return `${encodeURIComponent(name)}=${encodeURIComponent(text.toWellFormed())}`;
  });
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}

export function sendsBody(endpoint: Pick<Endpoint, 'method'>): boolean {
  return endpoint.method === 'POST' || endpoint.method === 'PATCH';
}

/** Calls an endpoint as it wants to be called. */
export function callAsMeant(
  node: FailureNode,
  endpoint: Endpoint,
  token: string,
  headers = {},
): Promise<Answer> {
  const { method, url, body } = endpoint;
  return sendsBody(endpoint)
    ? node.request(method, url, { token, body, headers })
    : node.request(method, `${url}${query(body)}`, { token, headers });
}

/** Makes what the placeholders name, so that handlers find something. */
export async function prepare(node: FailureNode): Promise<void> {
  const write = (path: string, body: unknown) => node.ok('POST', path, { body });
  await write('sys/mounts/sample', { type: 'kv' });
  await write('sys/mounts/moving', { type: 'kv' });
  await write('sys/auth/sample', { type: 'approle' });
  await write('sys/policies/acl/sample', { policy: POLICY });
  await write('sys/policies/password/sample', { policy: PASSWORD_POLICY });
  if (node.namespace === '') {
    await write('sys/config/ui/headers/sample', { values: ['value'] });
    await write('sys/config/auditing/request-headers/sample', { hmac: true });
  }
  await write('auth/token/roles/sample', { allowed_policies: ['sample'] });
  await write('auth/userpass/users/sample', { password: 'password of sample' });
  await write('auth/approle/role/sample', { token_policies: ['sample'] });
  await write('auth/approle/role/sample/custom-secret-id', { secret_id: 'secret-id-of-sample' });
  await write('database/config/sample', DATABASE);
  await write('database/roles/sample', DATABASE_ROLE);
  await write('transit/keys/sample', { exportable: true, allow_plaintext_backup: true });
  await write('transit/keys/sampled', { type: 'ecdsa-p256' });
  await write('identity/entity/name/sample', { metadata: { sample: 'value' } });
  await write('identity/group/name/sample', { policies: ['sample'] });
  await write('kv/sample', { sample: 'value' });
  await write('kv/sample/below', { sample: 'value' });
  await write('secret/data/sample', { data: { sample: 'value' } });
  await write('secret/data/sample/below', { data: { sample: 'value' } });
}

const PLACEHOLDER = /\{(\w+)(?:\.\.\.|\+)?\}/g;
const SAMPLE = 'sample';
const PLACEHOLDERS = new Map([
  ['urlbytes', '16'],
  ['source', 'platform'],
  ['algorithm', 'sha2-256'],
  ['type', 'secret'],
  ['plaintext', 'plaintext'],
  ['urlalgorithm', 'sha2-256'],
  ['subsystem', 'log'],
]);

const POLICY = 'path "sample/*" { capabilities = ["read"] }';
const PASSWORD_POLICY = 'length = 20\nrule "charset" { charset = "abcdefghij" }';
/** Nobody listens there. */
const DATABASE = {
  plugin_name: 'postgresql-database-plugin',
  connection_url: 'postgresql://{{username}}:{{password}}@127.0.0.1:1/sample?connect_timeout=1',
  username: 'sample',
  password: 'password of the database',
  allowed_roles: '*',
  verify_connection: false,
};
const DATABASE_ROLE = { db_name: 'sample', creation_statements: ['SELECT 1'] };

/** By type and pattern: what the types of the fields alone do not tell. */
const BODIES = new Map<string, Record<string, unknown>>([
  ['token/create', {}],
  ['token/create-orphan', {}],
  ['token/create/{role_name}', {}],
  ['token/lookup', {}],
  ['token/lookup-self', {}],
  ['token/renew', {}],
  ['token/renew-self', {}],
  ['system/mounts/{path...}', { type: 'kv' }],
  ['system/auth/{path...}', { type: 'userpass' }],
  ['system/policies/acl', {}],
  ['system/policies/acl/{name...}', { policy: POLICY }],
  ['system/policies/password/{name}', { policy: PASSWORD_POLICY }],
  ['system/policies/explain', { path: 'secret/data/sample' }],
  ['system/policies/explain-self', { path: 'secret/data/sample' }],
  ['system/policy/{name...}', { policy: POLICY }],
  ['system/audit/{path...}', { type: 'file', options: { file_path: '/nonexistent/audit.log' } }],
  ['system/audit-hash/{path...}', { input: 'sample' }],
  ['system/leases', { type: 'irrevocable' }],
  ['system/leases/count', {}],
  ['system/tools/random', {}],
  ['system/tools/random/{urlbytes}', {}],
  ['system/tools/random/{source}', {}],
  ['system/tools/random/{source}/{urlbytes}', {}],
  ['system/tools/hash', { input: 'c2FtcGxl' }],
  ['system/tools/hash/{urlalgorithm}', { input: 'c2FtcGxl' }],
  ['system/loggers', { level: 'trace' }],
  ['system/loggers/{name}', { level: 'trace' }],
  ['system/quotas/lease-count/{name}', { path: 'sample', max_leases: 100_000 }],
  ['system/quotas/rate-limit/{name}', { path: 'sample', rate: 100_000 }],
  ['system/pprof/profile', { seconds: 0 }],
  ['system/pprof/heap', { seconds: 0 }],
  ['system/pprof/allocs', { seconds: 0 }],
  ['system/remount', { from: 'moving', to: 'moved' }],
  ['system/config/cors', { allowed_origins: ['http://127.0.0.1'] }],
  ['identity/entity', { name: 'sampled' }],
  ['identity/entity/name/{name...}', { metadata: { sample: 'value' } }],
  ['identity/group', { name: 'sampled' }],
  ['identity/group/name/{name...}', { policies: ['sample'] }],
  ['identity/lookup/entity', { name: 'sample' }],
  ['identity/lookup/group', { name: 'sample' }],
  ['database/config/{name}', DATABASE],
  ['database/roles/{name}', DATABASE_ROLE],
  ['approle/role/{role_name}', {}],
  ['approle/role/{role_name}/secret-id', {}],
  ['approle/role/{role_name}/custom-secret-id', { secret_id: 'secret-id-of-sample-2' }],
  ['approle/role/{role_name}/secret-id/lookup', { secret_id: 'secret-id-of-sample' }],
  ['userpass/users/{username}', { token_policies: ['sample'] }],
  ['userpass/login/{username}', { password: 'password of nobody' }],
  ['transit/keys/{name}', { type: 'aes256-gcm96' }],
  ['transit/keys/{name}/config', { deletion_allowed: true }],
  ['transit/encrypt/{name}', { plaintext: 'c2FtcGxl' }],
  ['transit/datakey/{plaintext}/{name}', { bits: 256 }],
  ['transit/hmac/{name}', { input: 'c2FtcGxl' }],
  ['transit/hmac/{name}/{urlalgorithm}', { input: 'c2FtcGxl' }],
  ['transit/cache-config', { size: 100 }],
  ['transit/random', {}],
  ['transit/random/{urlbytes}', {}],
  ['transit/random/{source}', {}],
  ['transit/random/{source}/{urlbytes}', {}],
  ['transit/hash', { input: 'c2FtcGxl' }],
  ['transit/hash/{urlalgorithm}', { input: 'c2FtcGxl' }],
  ['kv/data/{path...}', { data: { sample: 'value' } }],
  ['kv/delete/{path...}', { versions: [1] }],
  ['kv/undelete/{path...}', { versions: [1] }],
  ['kv/destroy/{path...}', { versions: [99] }],
  ['kv/metadata/{path...}', { max_versions: 5 }],
  ['kv/config', { max_versions: 20 }],
]);

const BY_TYPE: Readonly<Record<string, unknown>> = {
  string: SAMPLE,
  integer: 1,
  number: 1,
  boolean: true,
  duration: '1h',
  list: [SAMPLE],
  pairs: { sample: 'value' },
  map: { sample: 'value' },
  any: SAMPLE,
};

/** Something for each field of the path, so that its handler gets as far as it can. */
function bodyOf(mountType: string, path: EnginePath, operation: OperationName): Record<string, unknown> {
  const own = BODIES.get(`${mountType}/${path.pattern}`);
  if (operation !== 'write' && operation !== 'patch')
    return operation === 'read' && path.operations.write === undefined ? (own ?? {}) : {};
  if (own) return own;
  const inPath = new Set(placeholders(path));
  const body: Record<string, unknown> = path.freeForm ? { sample: 'value' } : {};
  for (const [name, field] of Object.entries(path.fields) as [string, Field][]) {
    if (inPath.has(name) || field.deprecated || field.query) continue;
    const value = name.includes('cidr') ? ['127.0.0.1/32'] : (field.choices?.[0] ?? BY_TYPE[field.type]);
    if (value !== undefined) body[name] = value;
  }
  return body;
}
