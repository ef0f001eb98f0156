/**
 * `npm test`: the checks, then every test. `--fast` leaves out the slow suites (those in folders of test/, and
 * `*.slow.test.ts`); further arguments are parts of file names, to run only the tests whose path contains one.
 * A run fails when a test fails, when a check fails, when a process or a temporary file is left behind, or when
 * the whole takes too long.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { installServices } from '../test/services/install.ts';
import { CHECKS, runChecks } from './check.ts';
import { projectRoot } from './install.mjs';
import { endLeftovers, findLeftovers } from './leftovers.ts';
import { Report } from './report.ts';

const CONCURRENCY = 2;
const TEST_TIMEOUT_MS = 120_000;
const RUN_TIMEOUT_MS = 40 * 60_000;
const LEFTOVER_PATIENCE_MS = 2_000;
const RUN_MARKER = 'COFFER_TEST_RUN';

const args = process.argv.slice(2);
const fast = args.includes('--fast');
const wanted = args.filter((arg) => !arg.startsWith('--'));
process.exitCode = await main();

async function main(): Promise<number> {
  const files = testFiles();
  const report = new Report(files, (line) => console.log(line));
  if (files.length === 0) report.addFailure(`no test file matches ${wanted.join(' ')}`);
  if (wanted.length === 0) {
    for (const check of runChecks(CHECKS.filter(({ isTest }) => !isTest)))
      report.addFailure(`${check}: see above`);
  }
  if (!fast) {
    for (const absence of await installServices()) console.log(`﹣ ${absence}`);
  }
  await runTests(files, report);
  report.finish();
  return report.success ? 0 : 1;
}

function testFiles(): string[] {
  const all = globSync('{bin,bench,src,test,tools}/**/*.test.ts', { cwd: projectRoot }).sort();
  const chosen = wanted.length > 0 ? all.filter((file) => wanted.some((part) => file.includes(part))) : all;
  return (fast ? chosen.filter((file) => !isSlow(file)) : chosen).map((file) => join(projectRoot, file));
}

function isSlow(file: string): boolean {
  return file.endsWith('.slow.test.ts') || /^test\/.+\//.test(file);
}

async function runTests(files: readonly string[], report: Report): Promise<void> {
  const marker = randomUUID();
  const folder = mkdtempSync(join(tmpdir(), 'coffer-test-'));
  chmodSync(folder, 0o711); // Services that run as a user of their own reach their folders through it.
  process.env[RUN_MARKER] = marker;
  process.env.TMPDIR = folder;
  const stop = new AbortController();
  const cut = setTimeout(() => stopRun(report, marker, stop), RUN_TIMEOUT_MS);
  const options = {
    concurrency: CONCURRENCY,
    timeout: TEST_TIMEOUT_MS,
    signal: stop.signal,
    cwd: projectRoot,
  };
  const stream = run({ files, ...options });
  for await (const _ of report.follow(stream)) {
    // Reading to the end is what runs the tests; the report listens.
  }
  clearTimeout(cut);
  await refuseLeftovers(report, marker, folder);
}

async function stopRun(report: Report, marker: string, stop: AbortController): Promise<void> {
  const minutes = RUN_TIMEOUT_MS / 60_000;
  report.addFailure(`not done after ${minutes} minutes; unfinished: ${report.unfinished.join(', ')}`);
  stop.abort();
  endLeftovers(await findLeftovers(RUN_MARKER, marker, 0));
}

async function refuseLeftovers(report: Report, marker: string, folder: string): Promise<void> {
  const leftovers = await findLeftovers(RUN_MARKER, marker, LEFTOVER_PATIENCE_MS);
  endLeftovers(leftovers);
  for (const { pid, command } of leftovers)
    report.addFailure(`a test left process ${pid} behind: ${command}`);
  for (const name of readdirSync(folder)) report.addFailure(`a test left ${name} in the temporary folder`);
  rmSync(folder, { recursive: true, force: true });
}
