/**
 * `npm run tidy`: what the project asks of its own text that neither the compiler nor the linter knows. The rules are
 * in tools/tidy/, one file each, their tables at the top. `--ratchet` lowers the limits in tools/tidy.json to what the
 * project now keeps.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './install.mjs';
import { checkBanned } from './tidy/banned.ts';
import { checkDocuments } from './tidy/documents.ts';
import { EXCEPTIONS, type Exception, withoutExceptions } from './tidy/exceptions.ts';
import { checkHygiene } from './tidy/hygiene.ts';
import { checkImports } from './tidy/imports.ts';
import { checkReachable } from './tidy/reachable.ts';
import { checkSizes, type Ratchet, tighten } from './tidy/sizes.ts';
import { type Finding, type Project, readProject } from './tidy/source.ts';

const RATCHET_PATH = 'tools/tidy.json';

/** Every objection to the project, in the order of its files; empty when it is tidy. */
export function findUntidy(project: Project, exceptions: readonly Exception[] = EXCEPTIONS): Finding[] {
  const findings = [
    ...checkImports(project),
    ...checkReachable(project),
    ...checkSizes(project, readRatchet(project)),
    ...checkBanned(project),
    ...checkDocuments(project),
    ...checkHygiene(project),
  ];
  return withoutExceptions(findings, exceptions).sort(
    (a, b) => a.path.localeCompare(b.path) || (a.line ?? 0) - (b.line ?? 0),
  );
}

/** A finding as one line that editors can jump from. */
export function formatFinding({ path, line, rule, message }: Finding): string {
  return `${path}${line === undefined ? '' : `:${line}`}: ${rule}: ${message}`;
}

function readRatchet({ root }: Project): Ratchet {
  return JSON.parse(readFileSync(join(root, RATCHET_PATH), 'utf8'));
}

if (import.meta.main) {
  const project = readProject(projectRoot);
  if (process.argv.includes('--ratchet')) {
    const ratchet = tighten(project, readRatchet(project));
    writeFileSync(join(projectRoot, RATCHET_PATH), `${JSON.stringify(ratchet, null, 2)}\n`);
  }
  const findings = findUntidy(project);
  for (const finding of findings) console.log(formatFinding(finding));
  process.exitCode = findings.length > 0 ? 1 : 0;
}
