/**
 * `npm run bench`: the budgets of the design, measured on what is shipped. With names (`npm run bench -- requests leases`)
 * only those; `http` and `store` look at parts by themselves and have no budget. bench/parameters.ts says what can be set.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '../test/services/folder.ts';
import { buildCoffer } from '../tools/build.ts';
import { benchmarkCommandLine } from './command-line.ts';
import { benchmarkIdentity } from './identity.ts';
import { benchmarkLeases } from './leases.ts';
import { benchmarkNamespaces } from './namespaces.ts';
import { type Parameters, readParameters } from './parameters.ts';
import { formatReport, type Report } from './report.ts';
import { benchmarkRequests } from './requests.ts';
import { benchmarkSignatures } from './signatures.ts';
import { benchmarkSnapshot } from './snapshot.ts';

type Benchmark = (parameters: Parameters) => Promise<Report>;

const BUDGETED: ReadonlyMap<string, Benchmark> = new Map([
  ['requests', benchmarkRequests],
  ['signatures', benchmarkSignatures],
  ['leases', benchmarkLeases],
  ['identity', benchmarkIdentity],
  ['snapshot', benchmarkSnapshot],
  ['namespaces', benchmarkNamespaces],
  ['cli', benchmarkCommandLine],
]);
/** Programs that print as they go. */
const PARTS: ReadonlyMap<string, () => Promise<unknown>> = new Map([
  ['http', () => import('./http.ts').then(({ benchmarkHttp }) => benchmarkHttp())],
  ['store', () => import('./store.ts').then(({ benchmarkStore }) => benchmarkStore())],
]);

const names = process.argv.slice(2);
const unknown = names.filter((name) => !BUDGETED.has(name) && !PARTS.has(name));
if (unknown.length > 0) {
  console.error(
    `There is no benchmark ${unknown.join(', ')}; there are ${[...BUDGETED.keys(), ...PARTS.keys()].join(', ')}.`,
  );
  process.exitCode = 2;
} else await run(names.length > 0 ? names : [...BUDGETED.keys()]);

async function run(names: readonly string[]): Promise<void> {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, ${process.platform}, Node ${process.version}\n`,
  );
  const folder = await temporaryFolder('bench');
  try {
    const program = await buildCoffer(join(folder.path, 'dist'));
    const parameters = readParameters(process.env, [process.execPath, program]);
    const budgets = [];
    for (const name of names) {
      await PARTS.get(name)?.();
      const report = await BUDGETED.get(name)?.(parameters);
      if (!report) continue;
      console.log(formatReport(report));
      budgets.push(...report.budgets);
    }
    const missed = budgets.filter(({ kept }) => !kept).length;
    if (budgets.length > 0) console.log(`${budgets.length - missed} budgets kept, ${missed} missed`);
  } finally {
    await folder.remove();
  }
}
