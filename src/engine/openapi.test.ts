import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnknownRecord } from '../base/json.ts';
import { path } from './engine.ts';
import { duration, name, restOfPath, text } from './fields.ts';
import { pathHelp } from './help.ts';
import { openApiDocument } from './openapi.ts';
import { pageFields } from './paging.ts';

const nothing = { handler: () => undefined };
const paths = [
  path({
    pattern: 'roles/{name}',
    summary: 'A role.',
    description: 'Roles say what may be had.',
    fields: {
      name: name('Which role.'),
      ttl: duration({ description: 'How long.', default: 60 }),
      kind: text({ description: 'Which kind.', choices: ['a', 'b'], required: true }),
      password: text({ description: 'The password.', secret: true }),
      ...pageFields,
    },
    exists: () => false,
    operations: { read: nothing, write: nothing, delete: nothing, list: nothing },
  }),
  path({ pattern: 'roles', summary: 'All roles.', fields: pageFields, operations: { list: nothing } }),
  path({
    pattern: 'login/{rest...}',
    summary: 'Logs in.',
    fields: { rest: restOfPath('Who.') },
    public: true,
    freeForm: true,
    operations: { write: nothing },
  }),
  path({
    pattern: 'root',
    summary: 'For the few.',
    fields: {},
    sudo: true,
    operations: { read: { ...nothing, summary: 'Reads it.' } },
  }),
  path({
    pattern: '{any...}',
    summary: 'A hint.',
    fields: { any: restOfPath('') },
    unlisted: true,
    operations: { read: nothing },
  }),
];
const mount = { path: 'auth/mine/', type: 'sample', class: 'auth', paths } as const;

function document(options: { genericMountPaths?: boolean } = {}) {
  const whole = openApiDocument([mount], { version: '1.2.3', ...options });
  return JSON.parse(JSON.stringify(whole)) as {
    openapi: string;
    paths: Record<string, Record<string, UnknownRecord>>;
    components: { schemas: Record<string, UnknownRecord> };
  };
}

test('paths, methods and extensions as Vault has them', () => {
  const { openapi, paths: items } = document();
  assert.equal(openapi, '3.0.2');
  assert.deepEqual(
    Object.entries(items).map(([template, item]) => [
      template,
      Object.keys(item).filter((key) => key !== 'description' && key !== 'parameters'),
    ]),
    [
      ['/auth/mine/roles/{name}', ['x-vault-createSupported', 'get', 'post', 'delete']],
      ['/auth/mine/roles/{name}/', ['x-vault-createSupported', 'get']],
      ['/auth/mine/roles/', ['get']],
      ['/auth/mine/login/{rest}', ['x-vault-unauthenticated', 'post']],
      ['/auth/mine/root', ['x-vault-sudo', 'get']],
    ],
  );
});

test('a list is a GET with list=true and its paging', () => {
  const list = document().paths['/auth/mine/roles/']?.get;
  const parameters = list?.parameters as { name: string; required?: boolean; schema: UnknownRecord }[];
  assert.deepEqual(
    parameters.map(({ name }) => name),
    ['list', 'after', 'limit'],
  );
  assert.deepEqual(parameters[0]?.schema, { type: 'string', enum: ['true'] });
  assert.equal(list?.operationId, 'sample-list-roles2');
});

test('a body has its fields with their types', () => {
  const { components, paths: items } = document();
  assert.deepEqual(items['/auth/mine/roles/{name}']?.post?.requestBody, {
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/SampleWriteRolesRequest' } } },
  });
  const { properties, required } = components.schemas.SampleWriteRolesRequest as {
    properties: UnknownRecord;
    required: string[];
  };
  assert.deepEqual(properties.ttl, {
    type: 'string',
    format: 'duration',
    default: 60,
    description: 'How long.',
  });
  assert.deepEqual(properties.password, {
    type: 'string',
    description: 'The password.',
    'x-vault-displayAttrs': { sensitive: true },
  });
  assert.deepEqual(required, ['kind']);
  assert.equal(properties.name, undefined);
  assert.equal(components.schemas.SampleWriteLoginRequest?.additionalProperties, true);
});

test('mount paths can be generic', () => {
  const item = document({ genericMountPaths: true }).paths['/auth/{sample_mount_path}/root'];
  const parameters = (item?.parameters ?? []) as unknown as UnknownRecord[];
  assert.equal(parameters[0]?.name, 'sample_mount_path');
  assert.deepEqual(parameters[0]?.schema, { type: 'string', default: 'mine' });
});

test('help on a mount names its paths', () => {
  const { topLevel, data } = pathHelp({ info: mount, engine: { paths } }, '');
  assert.equal(topLevel, 'only');
  assert.equal(data?.see_also, null);
  const help = String(data?.help);
  assert.match(help, /roles\/\{name\}\n {8}A role\./);
  assert.doesNotMatch(help, /A hint/);
});

test('help on a path names its parameters', () => {
  const { data } = pathHelp({ info: mount, engine: { paths } }, 'roles/web');
  const help = String(data?.help);
  assert.match(help, /Request: {8}roles\/web/);
  assert.match(help, / {4}kind \(string\)\n {8}Which kind\. Required\. One of a, b\./);
  assert.match(help, / {4}ttl \(duration\)\n {8}How long\. Default: 60\./);
  assert.match(help, /Roles say what may be had\./);
  const openapi = (data?.openapi ?? {}) as { paths: UnknownRecord };
  assert.deepEqual(Object.keys(openapi.paths), ['/auth/mine/roles/{name}', '/auth/mine/roles/{name}/']);
  assert.throws(() => pathHelp({ info: mount, engine: { paths } }, 'nothing'), { code: 'unsupported_path' });
});
