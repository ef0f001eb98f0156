/** What the guides list must be what the sources have. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Entry, isGroup } from '../../src/cli/command.ts';
import { root } from '../../src/cli/registry.ts';
import { projectRoot } from './blocks.ts';

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8');
const found = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map(([, name = '']) => name)),
];

test('docs/configuration.md has every field of the tables in src/config', () => {
  const page = read('docs/configuration.md');
  const fields = ['top', 'listeners', 'stanzas'].flatMap((name) =>
    found(read(`src/config/${name}.ts`), /^ {2,4}([a-z_]+): field\(/gm),
  );
  assert.ok(fields.length > 80);
  // Two spellings of one field.
  const shown = (field: string) =>
    page.includes(`${field}`) || field === 'unauthenticated_in_flight_request_access';
  assert.deepEqual(
    fields.filter((field) => field !== 'access' && !shown(field)),
    [],
  );
});

test('docs/monitoring.md has every metric', () => {
  const page = read('docs/monitoring.md');
  const sources = globSync('src/**/*.ts', { cwd: projectRoot }).filter((path) => !path.endsWith('.test.ts'));
  const asked = sources.flatMap((path) =>
    found(read(path), /\.(?:counter|timing|observed)\(\s*'([a-z_.-]+)'/g),
  );
  const listed = found(read('src/metrics/usage.ts'), /^ {2}'([a-z_.]+)',$/gm);
  const named = found(read('src/metrics/requests.ts'), /'((?:policy|token|expire)\.[a-z_-]+)'/g);
  assert.ok(asked.length > 60 && listed.length > 5 && named.length > 10);
  const shown = [...asked, ...listed, ...named].map((name) => {
    const plain = name.replaceAll(/[.-]/g, '_');
    return plain.startsWith('process_') ? plain : `vault_${plain}`;
  });
  assert.deepEqual(
    shown.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});

test('docs/cli.md has every command', async () => {
  const page = read('docs/cli.md');
  const missing: string[] = [];
  const visit = async (entries: ReadonlyMap<string, Entry>, words: string): Promise<void> => {
    for (const [name, entry] of entries) {
      if (!new RegExp(`[ \`]${name}\``).test(page)) missing.push(`${words} ${name}`);
      const node = await entry.load();
      if (isGroup(node) && name !== 'metadata') await visit(node.subcommands, `${words} ${name}`);
    }
  };
  await visit(root.subcommands, 'coffer');
  assert.deepEqual(missing, []);
});
