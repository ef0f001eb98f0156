import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { EnginePath } from '../../engine/engine.ts';
import { missingOperations } from '../../engine/public-operations.ts';
import { openEngine } from '../../engine/testing.ts';
import { kv } from './engine.ts';

const table = readFileSync(new URL('operations.tsv', import.meta.url), 'utf8').split('\n');

for (const [version, mountPath] of [
  ['1', 'kv/'],
  ['2', 'secret/'],
] as const) {
  test(`version ${version} serves every public operation with its fields`, () => {
    const lines = table.filter((line) => line.includes(` /${mountPath}`));
    assert.ok(lines.length > 2);
    const paths = openEngine(kv, { options: { version } }).engine.paths.filter(isListed);
    assert.deepEqual(missingOperations(paths, { table: lines.join('\n'), mountPath }), []);
  });
}

function isListed(path: EnginePath): boolean {
  return !path.unlisted;
}
