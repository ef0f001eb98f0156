import { rmSync, writeFileSync } from 'node:fs';
import type { RunningServer } from '../server.ts';
import type { ServeTerminal, Start } from './serve.ts';

/** Begins, then waits: SIGHUP reads again, SIGTERM and SIGINT end with what is under way finished first. */
export async function runUntilStopped(
  server: RunningServer,
  start: Start,
  terminal: ServeTerminal,
): Promise<number> {
  const reload = () => {
    server.reload().catch((error) => start.log.log.error('reading again failed', { error }));
  };
  const stopping = Promise.withResolvers<number>();
  const stopped = new AbortController();
  const stop = () => stopping.resolve(0);
  process.on('SIGHUP', reload);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  server.failed.then((error) => {
    start.log.log.error('the store failed; the server ends so that nothing unwritten is taken for written', {
      error,
    });
    stopping.resolve(1);
  });
  if (start.pidFile) writeFileSync(start.pidFile, `${process.pid}\n`, { mode: 0o644 });
  try {
    await start.begin(server, stopped.signal);
    return await stopping.promise;
  } catch (error) {
    terminal.error.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    stopped.abort();
    process.off('SIGHUP', reload);
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
    await server.stop();
    if (start.pidFile) rmSync(start.pidFile, { force: true });
  }
}
