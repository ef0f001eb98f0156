import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openApiDocument } from '../../engine/openapi.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n');

for (const [version, mountPath] of [
  ['1', 'kv/'],
  ['2', 'secret/'],
] as const) {
  const lines = table.filter((line) => line.includes(` /${mountPath}`));
  const paths = openEngine(kv, { options: { version } }).engine.paths.filter((path) => !path.unlisted);

  test(`version ${version} serves every public operation with its fields`, () => {
    assert.ok(lines.length > 2);
    assert.deepEqual(missingOperations(paths, { table: lines.join('\n'), mountPath }), []);
  });

  test(`the OpenAPI document of version ${version} has them all`, () => {
    const mount = { path: mountPath, type: `kv-v${version}`, class: 'secret', paths } as const;
    const document = JSON.parse(JSON.stringify(openApiDocument([mount], { version: '1' }))) as Document;
    for (const line of lines) {
      const [operation = '', fields = ''] = line.split('\t');
      const [method = '', template = ''] = operation.split(' ');
      const item = document.paths[template] ?? document.paths[`${template}/`];
      const documented = item?.[method.toLowerCase()];
      assert.ok(documented, operation);
      const properties = bodyProperties(document, documented);
      for (const field of fields.split(',').filter(Boolean)) {
        assert.ok(properties.includes(field), `${operation}: ${field}`);
      }
    }
  });
}

interface Document {
  paths: Record<string, Record<string, DocumentedOperation>>;
  components: { schemas: Record<string, { properties: Record<string, unknown> }> };
}
interface DocumentedOperation {
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
}

function bodyProperties({ components }: Document, { requestBody }: DocumentedOperation): string[] {
  const [content] = Object.values(requestBody?.content ?? {});
  const schemaName = content?.schema.$ref.split('/').at(-1) ?? '';
  return Object.keys(components.schemas[schemaName]?.properties ?? {});
}
