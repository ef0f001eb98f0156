import { type Clock, systemClock } from '../base/clock.ts';
import { type Random, seededRandom } from '../base/random.ts';
import { Interrupted, LocalError } from './errors.ts';
import { main } from './main.ts';
import type { StartServer, Terminal } from './terminal.ts';

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly homeDirectory?: string;
  /** Standard input; without it, input is empty. */
  readonly input?: string;
  /** What a person answers, question by question; without it nobody can be asked. */
  readonly answers?: readonly string[];
  readonly isTerminal?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly startServer?: StartServer;
}

export interface RunResult {
  readonly code: number;
  readonly output: string;
  readonly error: string;
}

/** Runs one command line at a terminal that a test made up. */
export async function runCoffer(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const said = { output: '', error: '' };
  const answers = [...(options.answers ?? [])];
  const ask = async (question: string) => {
    said.error += question;
    const answer = answers.shift();
    if (options.answers === undefined) throw new LocalError('nobody can be asked');
    if (answer === undefined) throw new Interrupted('interrupted');
    return answer;
  };
  const sink = (name: 'output' | 'error') => ({
    isTerminal: options.isTerminal ?? false,
    columns: 80,
    write(text: string) {
      said[name] += text;
    },
  });
  const terminal: Terminal = {
    environment: { VAULT_CLI_NO_COLOR: '1', ...options.environment },
    homeDirectory: options.homeDirectory ?? '/nonexistent',
    output: sink('output'),
    error: sink('error'),
    clock: options.clock ?? systemClock,
    random: options.random ?? seededRandom(1),
    canAsk: options.answers !== undefined,
    readInput: async () => Buffer.from(options.input ?? ''),
    ask,
    askHidden: ask,
    onInterrupt: () => () => {},
  };
  const startServer = options.startServer ?? (async () => 0);
  const code = await main(argv, { terminal, startServer });
  return { code, ...said };
}
