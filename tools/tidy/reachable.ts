/** Files that nothing leads to: dead code that still compiles. */
import { importedPath, importsOf } from './imports.ts';
import { type Finding, isTest, type Project, type Source } from './source.ts';

const PRODUCT_ENTRY = 'bin/coffer.ts';
/** Test support that lies beside the code it belongs to: a contract's conformance suite, a stand-in, a harness. */
const TEST_SUPPORT = /(^|[/-])(conformance|hostile|testing|memory-view|public-operations)\.ts$/;

/** Every file of src/ is reached from the product's entry, every other file from a test or a script as well. */
export function checkReachable({ sources, files }: Project): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const scripts = files.find(({ path }) => path === 'package.json')?.text ?? '';
  const product = reachedFrom([PRODUCT_ENTRY], byPath);
  const entries = sources.map(({ path }) => path).filter((path) => isTest(path) || scripts.includes(path));
  const project = reachedFrom([PRODUCT_ENTRY, ...entries], byPath);
  return sources.flatMap(({ path }) => {
    if (!project.has(path)) return [finding(path, 'nothing imports this file')];
    const isProduct = path.startsWith('src/') && !isTest(path) && !TEST_SUPPORT.test(path);
    return isProduct && !product.has(path)
      ? [finding(path, `only tests import this file, not ${PRODUCT_ENTRY}`)]
      : [];
  });
}

function reachedFrom(entries: readonly string[], sources: ReadonlyMap<string, Source>): Set<string> {
  const reached = new Set<string>();
  const open = entries.filter((path) => sources.has(path));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const source = sources.get(path);
    if (!source || reached.has(path)) continue;
    reached.add(path);
    open.push(...mentions(source));
  }
  return reached;
}

/** What a file imports, and the programs it starts by name (workers, children). */
function mentions(source: Source): string[] {
  const imported = importsOf(source).map(({ specifier }) => specifier);
  const named = [...source.tree.text.matchAll(/'([\w./-]+\.m?[tj]s)'/g)].map(([, name = '']) => name);
  return [...imported, ...named].flatMap((name) => [importedPath(source, name), name]);
}

function finding(path: string, message: string): Finding {
  return { path, rule: 'reachable', message };
}
