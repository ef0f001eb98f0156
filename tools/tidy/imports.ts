/** Which part may import which: the house of ARCHITECTURE.md as a table, and the rule that holds it up. */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { isStringLiteral } from 'typescript/unstable/ast/is';
import { type Finding, isTest, lineOf, type Project, type Source } from './source.ts';

/** The files directly in src/, which put everything together. */
const COMPOSITION_ROOT = 'server.ts';

const DOMAINS = [
  'mounts',
  'tokens',
  'policies',
  'leases',
  'wrapping',
  'audit',
  'identity',
  'namespaces',
  'quotas',
  'lockouts',
  'metrics',
  'snapshots',
  'tracing',
  'activity',
] as const;

/** What an engine may see: the contract, its window on the store and the primitives; never the host or another engine. */
const ENGINE_SEES = ['engine', 'barrier/view.ts', 'crypto', 'base'];
const DOMAIN_SEES = [...DOMAINS, 'snapshot-file', 'engine', 'barrier', 'store', 'crypto', 'hcl', 'base'];

/** Each part of src/ and what it may import besides itself: parts, single files, or `*` for everything. Type imports count. */
const MAY_SEE: ReadonlyMap<string, readonly string[]> = new Map([
  ['base', []],
  ['crypto', ['base']],
  ['log', ['base']],
  ['store', ['log', 'base']],
  ['barrier', ['store', 'log/log.ts', 'crypto', 'base']],
  ['seal', ['crypto', 'base']],
  ['hcl', ['base']],
  ['snapshot-file', ['base']],
  ['config', ['hcl', 'base']],
  ['engine', ['barrier', 'crypto', 'base']],
  ...DOMAINS.map((domain): [string, readonly string[]] => [domain, DOMAIN_SEES]),
  ['pipeline', [...DOMAINS, 'engine', 'barrier/session.ts', 'base']],
  ['http', ['pipeline', 'engine', 'base']],
  ['secrets/*', ENGINE_SEES],
  ['auth/*', ENGINE_SEES],
  ['secrets/registry.ts', ['secrets/*', 'engine', 'base']],
  ['auth/registry.ts', ['auth/*', 'engine', 'base']],
  ['lifecycle', ['barrier', 'seal', 'store', 'crypto', 'base']],
  ['sys', [...DOMAINS, 'lifecycle', 'engine', 'barrier', 'seal', 'store', 'crypto', 'base']],
  ['client', ['base']],
  ['cli', ['client', 'crypto/key-wrap.ts', 'snapshot-file', 'base']],
  ['serve', ['*']],
  [COMPOSITION_ROOT, ['*']],
]);

/** Which parts may import an npm package; a package without a row is for tests and tools only. */
const PACKAGE_USERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['@aws-sdk/client-kms', ['seal']],
  ['@aws-sdk/client-s3', ['snapshots']],
  ['@node-rs/bcrypt', ['crypto']],
  ['jose', ['identity', 'sys']],
  ['koffi', ['seal']],
  ['lmdb', ['store']],
  ['openpgp', ['seal', 'sys']],
  ['pg', ['secrets/database', 'log']],
  ['pprof-format', ['sys']],
  ['shamir-secret-sharing', ['seal']],
  ['uqr', ['crypto']],
]);

/** One import of a source file, wherever it stands: declaration, re-export, dynamic import or import type. */
interface Import {
  readonly specifier: string;
  readonly line: number;
}

export function importsOf(source: Source): Import[] {
  return source.tree.imports
    .filter(isStringLiteral)
    .map((literal) => ({ specifier: literal.text, line: lineOf(source, literal) }));
}

/** The project path that a relative specifier means. */
export function importedPath(source: Source, specifier: string): string {
  return normalize(join(dirname(source.path), specifier));
}

/** Imports against the table. Unit tests and what lies outside src/ may import everything. */
export function checkImports({ root, sources }: Project): Finding[] {
  return sources.flatMap((source) => {
    const imports = importsOf(source);
    const missing = imports.filter(
      ({ specifier }) =>
        specifier.startsWith('.') && !existsSync(join(root, importedPath(source, specifier))),
    );
    return [
      ...missing.map(({ specifier, line }) => finding(source, line, `${specifier} does not exist`)),
      ...(source.path.startsWith('src/') && !isTest(source.path) ? checkSource(source, imports) : []),
    ];
  });
}

function checkSource(source: Source, imports: readonly Import[]): Finding[] {
  const part = partOf(source.path);
  const rows = rowsOf(part);
  const allowed = rows.flatMap((row) => MAY_SEE.get(row) ?? []);
  if (rows.length === 0)
    return [finding(source, 1, `src/${part} has no row in the table of tools/tidy/imports.ts`)];
  return imports.flatMap(({ specifier, line }) => {
    if (specifier.startsWith('node:')) return [];
    if (specifier.startsWith('.')) return checkRelative(source, part, allowed, specifier, line);
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    const users = PACKAGE_USERS.get(name) ?? [];
    return users.includes(part)
      ? []
      : [finding(source, line, `src/${part} may not import the package ${name}`)];
  });
}

function checkRelative(
  source: Source,
  part: string,
  allowed: readonly string[],
  specifier: string,
  line: number,
): Finding[] {
  const path = importedPath(source, specifier);
  if (!path.startsWith('src/')) return [finding(source, line, `src/ may not import ${path}`)];
  const target = partOf(path);
  const names = ['*', path.slice('src/'.length), ...rowsOf(target)];
  if (target === part || names.some((name) => allowed.includes(name))) return [];
  return [finding(source, line, `src/${part} may not import src/${target} (${path})`)];
}

/** The part a file belongs to: a folder of src/, one engine's folder, or a file that is a part by itself. */
function partOf(path: string): string {
  const [, first = '', second = '', ...rest] = path.split('/');
  if (first.endsWith('.ts')) return COMPOSITION_ROOT;
  if (first !== 'secrets' && first !== 'auth') return first;
  return rest.length > 0 || second.endsWith('.ts') ? `${first}/${second}` : first;
}

/** The rows of the table that speak of a part. */
function rowsOf(part: string): string[] {
  if (MAY_SEE.has(part)) return [part];
  const family = `${part.split('/')[0]}/*`;
  return part.includes('/') && !part.endsWith('.ts') && MAY_SEE.has(family) ? [family] : [];
}

function finding(source: Source, line: number, message: string): Finding {
  return { path: source.path, line, rule: 'imports', message };
}
