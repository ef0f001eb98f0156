import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { projectRoot } from './install.mjs';
import type { Exception } from './tidy/exceptions.ts';
import { readProject } from './tidy/source.ts';
import { findUntidy, formatFinding } from './tidy.ts';

const TIDY_PROJECT = {
  'package.json': '{ "scripts": {} }',
  'tools/tidy.json': '{ "fileLinesMax": 800, "functionLinesMax": 100 }',
  'bin/coffer.ts': "import '../src/server.ts';\n",
  'src/server.ts': "import './secrets/kv/engine.ts';\nimport './base/clock.ts';\n",
  'src/base/clock.ts': 'export const clock = 1;\n',
  'src/secrets/kv/engine.ts': "export { clock } from '../../base/clock.ts';\n",
};

/** The findings about a small project: a tidy one with `files` laid over it. */
function untidy(files: Record<string, string>, exceptions: readonly Exception[] = []): string[] {
  const root = mkdtempSync(join(tmpdir(), 'coffer-tidy-'));
  try {
    cpSync(join(projectRoot, 'tsconfig.json'), join(root, 'tsconfig.json'));
    for (const [path, text] of Object.entries({ ...TIDY_PROJECT, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return findUntidy(readProject(root), exceptions).map(formatFinding);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('this project is tidy', () => {
  const found = findUntidy(readProject(projectRoot)).map(formatFinding);
  assert.equal(found.length, 0, `\n${found.join('\n')}`);
});

test('a small tidy project gives no finding', () => {
  assert.deepEqual(untidy({}), []);
});

test('an import against the table is found in every form', () => {
  const forbidden = {
    declaration: "import '../../server.ts';\n",
    type: "export type Server = import('../../server.ts').Server;\n",
    dynamic: "export const server = () => import('../../server.ts');\n",
    reExport: "export * from '../../server.ts';\n",
  };
  for (const [form, text] of Object.entries(forbidden)) {
    const message =
      'src/secrets/kv/engine.ts:1: imports: src/secrets/kv may not import src/server.ts (src/server.ts)';
    assert.deepEqual(untidy({ 'src/secrets/kv/engine.ts': text }), [message], form);
  }
});

test('one engine may not import another, nor a package that is not its own', () => {
  const found = untidy({
    'src/server.ts':
      "import './secrets/kv/engine.ts';\nimport './base/clock.ts';\nimport './auth/token/engine.ts';\n",
    'src/auth/token/engine.ts': "import '../../secrets/kv/engine.ts';\nimport 'pg';\n",
  });
  assert.deepEqual(found, [
    'src/auth/token/engine.ts:1: imports: src/auth/token may not import src/secrets/kv (src/secrets/kv/engine.ts)',
    'src/auth/token/engine.ts:2: imports: src/auth/token may not import the package pg',
  ]);
});

test('a part without a row and an import of a missing file are found', () => {
  const found = untidy({
    'src/server.ts': "import './new/thing.ts';\nimport './gone.ts';\n",
    'src/new/thing.ts': '',
  });
  assert.ok(found.includes('src/server.ts:2: imports: ./gone.ts does not exist'));
  assert.ok(
    found.includes('src/new/thing.ts:1: imports: src/new has no row in the table of tools/tidy/imports.ts'),
  );
});

test('files that nothing or only a test reaches are found', () => {
  const found = untidy({
    'src/base/dead.ts': 'export const dead = 1;\n',
    'src/base/tested.ts': 'export const tested = 1;\n',
    'src/base/tested.test.ts': "import './tested.ts';\n",
  });
  assert.deepEqual(found, [
    'src/base/dead.ts: reachable: nothing imports this file',
    'src/base/tested.ts: reachable: only tests import this file, not bin/coffer.ts',
  ]);
});

test('files and functions over the ratchet are found', () => {
  const long = `export function long() {\n${'  void 0;\n'.repeat(99)}}\n`;
  const short = Array.from({ length: 19 }, (_, index) => `export function short${index}() {}\n`).join('');
  assert.deepEqual(untidy({ 'src/base/clock.ts': `export const clock = 1;\n${short}${long}` }), [
    'src/base/clock.ts:21: size: this function has 101 lines; the longest may have 100',
  ]);
});

test('more than one long function of ten is too many', () => {
  const long = `export function long() {\n${'  void 0;\n'.repeat(50)}}\n`;
  const found = untidy({ 'src/base/clock.ts': `export const clock = 1;\n${long}` });
  assert.deepEqual(found, [
    'src/base/clock.ts:2: size: more than one function of ten (1 of 1) has over 45 lines; this one 52',
  ]);
});

test('banned calls are found with what replaces them, and only in the product', () => {
  const lines = [
    'export const clock = Date.now();',
    'setTimeout(() => {}, new Date().getTime());',
    'console.log(Math.random());',
    'export const same = (token: string, sentToken: string) => token === sentToken;',
    'export const empty = (token?: string) => token === undefined || token === "" || token.length === 3;',
    'export const loose = clock as any;',
    `// @ts-${'ignore'}`,
    "import { randomBytes as bytes } from 'node:crypto';",
    'export { bytes };',
  ];
  const found = untidy({ 'src/base/clock.ts': lines.join('\n'), 'src/base/clock.test.ts': 'Date.now();\n' });
  const summary = found.map((line) => line.split(':').slice(1, 4).join(':'));
  assert.deepEqual(summary, [
    '1: banned: Date.now',
    '2: banned: setTimeout',
    '2: banned: new Date()',
    '3: banned: console.log',
    '3: banned: Math.random',
    '4: banned: token === sentToken',
    '6: banned: as any',
    `7: banned: @ts-${'ignore'}`,
    '8: banned: randomBytes',
  ]);
});

test('documents that name missing paths are found', () => {
  const text =
    'See `src/base/clock.ts`, `src/gone.ts`, [this](docs/gone.md#part) and [that](https://example.com/).\n';
  assert.deepEqual(untidy({ 'README.md': text }), [
    'README.md:1: documents: src/gone.ts does not exist',
    'README.md:1: documents: docs/gone.md does not exist',
  ]);
});

test('machine paths and package hosts are found', () => {
  const found = untidy({
    'README.md': `Look in ${'/home'}/somebody/coffer\n`,
    'package-lock.json': `{ "resolved": "${'https'}://packages.example/x.tgz" }`,
  });
  assert.deepEqual(found, [
    'package-lock.json: hygiene: names the hosts its packages came from; omit-lockfile-registry-resolved does not',
    `README.md:1: hygiene: a path of one machine: ${'/home'}/somebody/coffer`,
  ]);
});

test('an exception covers its finding, and is found itself when it covers none', () => {
  const exception = { rule: 'banned', path: 'src/base/clock.ts', about: 'Date.now', reason: 'a test' };
  assert.deepEqual(untidy({ 'src/base/clock.ts': 'export const clock = Date.now();\n' }, [exception]), []);
  assert.deepEqual(untidy({}, [exception]), [
    'tools/tidy/exceptions.ts: exceptions: the exception for src/base/clock.ts (banned: Date.now) is not needed any more',
  ]);
});
