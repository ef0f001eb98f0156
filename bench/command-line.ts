/** How long the command line takes to start, against a Node that does nothing: in turns, as processes of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpuSecondsOfChildren } from './node.ts';
import type { Parameters } from './parameters.ts';
import { below, mean, median, type Report, verdict } from './report.ts';

interface Start {
  readonly wallMs: number;
  readonly cpuMs: number;
}

const RATIO_MAX = 2;

/** The kernel tells processor time in steps of 10 ms, whose median means little. */
const AVERAGES = { wallMs: median, cpuMs: mean };

export async function benchmarkCommandLine({ program, starts }: Parameters): Promise<Report> {
  const commands = new Map<string, readonly string[]>([
    ['node -e 0', [process.execPath, '-e', '0']],
    ['coffer version', [...program, 'version']],
  ]);
  const measured = new Map<string, Start[]>([...commands.keys()].map((name) => [name, []]));
  for (let turn = 0; turn < starts; turn++) {
    for (const [name, command] of commands) measured.get(name)!.push(await time(command));
  }
  const of = (name: string, which: keyof Start) =>
    AVERAGES[which](measured.get(name)!.map((start) => start[which]));
  const ratio = (which: keyof Start) => of('coffer version', which) / of('node -e 0', which);
  const budgets = { wallMs: below(ratio('wallMs'), RATIO_MAX), cpuMs: below(ratio('cpuMs'), RATIO_MAX) };
  return {
    title: `Command line: median time and mean processor time of ${starts} starts`,
    table: [
      ['', 'ms', 'cpu ms'],
      ...[...commands.keys()].map((name) => [
        name,
        of(name, 'wallMs').toFixed(1),
        of(name, 'cpuMs').toFixed(1),
      ]),
      ['ratio', ratio('wallMs').toFixed(2), ratio('cpuMs').toFixed(2)],
      ['budget', verdict(budgets.wallMs), verdict(budgets.cpuMs)],
    ],
    budgets: Object.values(budgets),
  };
}

/** Without Node's compile cache, which whoever starts the shipped program need not have. */
const { NODE_COMPILE_CACHE: _, ...ENVIRONMENT } = process.env;

async function time([command = '', ...args]: readonly string[]): Promise<Start> {
  const startCpuSeconds = cpuSecondsOfChildren();
  const startMs = performance.now();
  const child = spawn(command, args, { stdio: 'ignore', env: ENVIRONMENT });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
  return {
    wallMs: performance.now() - startMs,
    cpuMs: (cpuSecondsOfChildren() - startCpuSeconds) * 1000,
  };
}
