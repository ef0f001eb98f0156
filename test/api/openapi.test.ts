/** The OpenAPI document of a running node against the table of the public operations that it is to serve. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';

interface Operation {
  readonly requestBody?: { readonly content: Record<string, { readonly schema: { readonly $ref: string } }> };
  readonly parameters?: readonly { readonly name: string }[];
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: {
    readonly schemas: Record<string, { readonly properties?: Record<string, unknown> }>;
  };
}

/** Lines of method, path template and request fields: `POST /auth/approle/login<TAB>role_id,secret_id`. */
const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => {
    const [operation = '', fields = ''] = line.split('\t');
    const [method = '', template = ''] = operation.split(' ');
    return { operation, method: method.toLowerCase(), template, fields: fields.split(',').filter(Boolean) };
  });

let node: CofferNode;
let token: string;
let document: Document;

before(async () => {
  node = await coffer.start({ configuration: 'raw_storage_endpoint = true\nintrospection_endpoint = true' });
  ({ rootToken: token } = await node.initAndUnseal());
  for (const [path, body] of [
    ['sys/mounts/kv', { type: 'kv' }],
    ['sys/mounts/secret', { type: 'kv', options: { version: '2' } }],
    ['sys/mounts/database', { type: 'database' }],
    ['sys/mounts/transit', { type: 'transit' }],
    ['sys/auth/approle', { type: 'approle' }],
    ['sys/auth/userpass', { type: 'userpass' }],
  ] as const) {
    assert.equal((await node.request('POST', path, { token, body })).status, 204, path);
  }
  const answer = await node.request('GET', 'sys/internal/specs/openapi', { token });
  assert.equal(answer.status, 200);
  document = answer.json() as Document;
});
after(() => node?.stop());

test('the OpenAPI document of a running node has every public operation with its fields', () => {
  assert.match(document.openapi, /^3\./);
  const documented = new Map(Object.entries(document.paths).map(([path, item]) => [shapeOf(path), item]));
  const missing: string[] = [];
  for (const { operation, method, template, fields } of table) {
    const shape = shapeOf(template);
    const found =
      document.paths[template]?.[method] ??
      documented.get(shape)?.[method] ??
      documented.get(`${shape}/`)?.[method];
    if (!found) missing.push(operation);
    else
      missing.push(
        ...fields
          .filter((field) => !fieldsOf(found).includes(field))
          .map((field) => `${operation}: ${field}`),
      );
  }
  assert.ok(table.length > 200);
  assert.deepEqual(missing, []);
});

test('every documented path answers with help, and the help has the path', async () => {
  const shapes = new Set(Object.keys(document.paths).map((path) => path.replace(/\/$/, '')));
  const wrong: string[] = [];
  for (const template of [...shapes, ...table.map((line) => line.template.replace(/\/$/, ''))]) {
    const path = template
      .slice(1)
      .replaceAll('{urlbytes}', '8')
      .replaceAll(/\{\w+\}/g, 'any');
    const answer = await node.request('GET', `${path}?help=1`, { token });
    const help = answer.status === 200 ? answer.json() : {};
    if (
      typeof help.help !== 'string' ||
      help.help.length < 40 ||
      Object.keys(help.openapi?.paths ?? {}).length === 0
    ) {
      wrong.push(`${template}: ${answer.status}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('every placeholder of a path is one of its parameters', () => {
  for (const [template, item] of Object.entries(document.paths)) {
    const declared = ((item.parameters ?? []) as unknown as { name: string; in: string }[]).map(
      (each) => each.name,
    );
    const placeholders = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(placeholders, declared, template);
  }
});

test('operation ids are unique, and every reference leads somewhere', () => {
  const operations = Object.values(document.paths).flatMap((item) =>
    Object.entries(item).filter(([key]) => ['get', 'post', 'patch', 'delete'].includes(key)),
  );
  const ids = operations.map(([, operation]) => (operation as { operationId: string }).operationId);
  assert.equal(new Set(ids).size, ids.length);
  const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
  for (const [, name = ''] of references) assert.ok(Object.hasOwn(document.components.schemas, name), name);
});

test('who sees nothing gets a document without mounts, and who has no token gets none', async () => {
  assert.equal((await node.request('GET', 'sys/internal/specs/openapi')).status, 403);
});

/** Placeholders’ names are ours to choose. */
function shapeOf(template: string): string {
  return template.replaceAll(/\{\w+\}/g, '{}');
}

function fieldsOf({ requestBody, parameters = [] }: Operation): string[] {
  const [content] = Object.values(requestBody?.content ?? {});
  const schema = content?.schema.$ref.split('/').at(-1) ?? '';
  return [
    ...Object.keys(document.components.schemas[schema]?.properties ?? {}),
    ...parameters.map(({ name }) => name),
  ];
}
