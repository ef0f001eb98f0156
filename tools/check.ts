/** `npm run check`: types, lint and tidy, all of them even when one fails. `--format` rewrites what can be rewritten. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './install.mjs';

interface Check {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Whether `npm test` has it among its tests. */
  readonly isTest?: true;
}

export const CHECKS: readonly Check[] = [
  { name: 'types', program: 'node_modules/typescript/bin/tsc', args: ['-p', '.'] },
  { name: 'lint', program: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '--error-on-warnings'] },
  { name: 'tidy', program: 'tools/tidy.ts', args: [], isTest: true },
];

/** Runs all of `checks`, their output going to the terminal; returns the names of those that failed. */
export function runChecks(checks: readonly Check[] = CHECKS): string[] {
  return checks.filter((check) => !passes(check)).map((check) => check.name);
}

function passes({ name, program, args }: Check): boolean {
  const startMs = performance.now();
  const result = spawnSync(process.execPath, [join(projectRoot, program), ...args], {
    cwd: projectRoot,
    stdio: 'inherit',
  });
  const passed = result.status === 0;
  console.log(`${passed ? '✔' : '✖'} ${name} (${Math.round(performance.now() - startMs)} ms)`);
  return passed;
}

if (import.meta.main) {
  if (process.argv.includes('--format')) {
    passes({ name: 'format', program: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '--write'] });
  }
  process.exitCode = runChecks().length > 0 ? 1 : 0;
}
