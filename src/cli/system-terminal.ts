import { homedir } from 'node:os';
import { foregroundClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { Interrupted, LocalError } from './errors.ts';
import type { Sink, Terminal } from './terminal.ts';

/** The process's own terminal. */
export function systemTerminal(): Terminal {
  const canAsk = () => Boolean(process.stdin.isTTY && process.stderr.isTTY);
  return {
    environment: process.env,
    homeDirectory: process.env.HOME || homedir(),
    output: sinkOf(() => process.stdout),
    error: sinkOf(() => process.stderr),
    clock: foregroundClock,
    random: systemRandom,
    get canAsk() {
      return canAsk();
    },
    async readInput() {
      const parts: Buffer[] = [];
      for await (const part of process.stdin) parts.push(part as Buffer);
      return Buffer.concat(parts);
    },
    ask: (question) => askLine(question, false),
    askHidden: (question) => askLine(question, true),
    onInterrupt(work) {
      process.on('SIGINT', work);
      return () => void process.off('SIGINT', work);
    },
  };
}

/** Streams are opened when they are first used, because opening takes time that most commands need not spend twice. */
function sinkOf(open: () => NodeJS.WriteStream): Sink {
  let opened: NodeJS.WriteStream | undefined;
  const stream = () => {
    opened ??= open().on('error', endQuietly);
    return opened;
  };
  return {
    get isTerminal() {
      return stream().isTTY === true;
    },
    get columns() {
      return stream().columns ?? 80;
    },
    write(text) {
      stream().write(text);
    },
  };
}

/** Whoever reads may stop reading (`coffer list … | head`); then there is nothing left to do. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? 0);
}

/** Reads keys itself, because a terminal shows what is typed unless it is put into raw mode. */
function askLine(question: string, hidden: boolean): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) throw new LocalError('standard input is no terminal, so nothing can be asked there');
  return new Promise((resolve, reject) => {
    let line = '';
    stderr.write(question);
    if (hidden) stdin.setRawMode(true);
    stdin.setEncoding('utf8');
    const finish = (settle: () => void) => {
      stdin.off('data', onData);
      if (hidden) {
        stdin.setRawMode(false);
        stderr.write('\n');
      }
      stdin.pause();
      settle();
    };
    const onData = (text: string) => {
      for (const key of text) {
        if (key === '\r' || key === '\n' || key === '\u0004') return finish(() => resolve(line));
        if (key === '\u0003') return finish(() => reject(new Interrupted('interrupted')));
        if (key === '\u007f' || key === '\b') line = [...line].slice(0, -1).join('');
        else line += key;
      }
    };
    stdin.on('data', onData);
    stdin.resume();
  });
}
