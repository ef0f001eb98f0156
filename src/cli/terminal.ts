import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Environment } from '../client/environment.ts';

export interface Sink {
  readonly isTerminal: boolean;
  /** Width in characters; 80 where nobody knows. */
  readonly columns: number;
  write(text: string): void;
}

/**
 * All that a command may touch outside itself besides the files that its arguments name: so that a test is a terminal
 * too.
 */
export interface Terminal {
  readonly environment: Environment;
  readonly homeDirectory: string;
  readonly output: Sink;
  readonly error: Sink;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a person can be asked. */
  readonly canAsk: boolean;
  /** Everything on standard input. */
  readInput(): Promise<Buffer>;
  /** Asks on the error stream and reads one line without showing it. Throws `Interrupted`. */
  askHidden(question: string): Promise<string>;
  ask(question: string): Promise<string>;
  /** Runs `work` on Ctrl-C instead of ending the process; the returned function takes that back. */
  onInterrupt(work: () => void): () => void;
}

/** What starts a server; handed in, because the command line must not load what it seldom needs. Gives the exit code. */
export type StartServer = (argv: readonly string[], terminal: Terminal) => Promise<number>;
