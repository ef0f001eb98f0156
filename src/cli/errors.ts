import { CofferError } from '../base/errors.ts';

/** The command was called wrongly: exit code 1, with a pointer to its help. */
export class UsageError extends CofferError {
  readonly code = 'usage';
}

/** Something on this side of the connection failed, such as a file: exit code 1. */
export class LocalError extends CofferError {
  readonly code = 'local_failure';
}

/** The server's answer means that the command failed, although the request did not: exit code 2. */
export class RemoteError extends CofferError {
  readonly code = 'remote_failure';
}

/** The person at the terminal pressed Ctrl-C where a question was asked: exit code 1. */
export class Interrupted extends CofferError {
  readonly code = 'interrupted';
}

/** Not an error: `-output-curl-string` and `-output-policy` print this text instead of sending the request. */
export class PrintedInstead extends CofferError {
  readonly code = 'printed_instead';
}

/** Puts what was being done before the message of what went wrong; the kind of failure decides the exit code. */
export class CommandError extends CofferError {
  readonly code = 'command_failed';
  readonly reason: unknown;
  constructor(doing: string, reason: unknown) {
    super(`${doing}: ${reason instanceof Error ? reason.message : String(reason)}`, { cause: reason });
    this.reason = reason;
  }
}

/** Awaits `work`; a failure is told as `doing: failure`, as in `Error reading secret/foo: …`. */
export async function attempt<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof PrintedInstead || error instanceof UsageError) throw error;
    throw new CommandError(doing, error);
  }
}

/** The failure itself, without what was being done. */
export function reasonOf(error: unknown): unknown {
  return error instanceof CommandError ? reasonOf(error.reason) : error;
}
