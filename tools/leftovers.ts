import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** A process that a test run started and did not end. */
export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/**
 * Processes whose environment says `name=value`, which children inherit however they detach themselves. Looks again
 * until there are none or `patienceMs` have passed, because a killed process takes a moment to go.
 * Only Linux shows the environment of other processes without further tools; elsewhere the answer is empty.
 */
export async function findLeftovers(name: string, value: string, patienceMs: number): Promise<Leftover[]> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const found = markedProcesses(`${name}=${value}`);
    if (found.length === 0 || performance.now() > endMs) return found;
    await pause(50);
  }
}

export function endLeftovers(leftovers: readonly Leftover[]): void {
  for (const { pid } of leftovers) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself in the meantime.
    }
  }
}

function markedProcesses(marker: string): Leftover[] {
  if (process.platform !== 'linux') return [];
  const found: Leftover[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = readProcFile(pid, 'environ').split('\0');
    if (environment.includes(marker)) {
      found.push({ pid, command: readProcFile(pid, 'cmdline').replaceAll('\0', ' ').trim() });
    }
  }
  return found;
}

/** Empty when the process has gone or belongs to somebody else. */
function readProcFile(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
