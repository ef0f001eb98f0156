import { InvalidRequest } from '../base/errors.ts';
import { LOG_LEVELS } from '../base/logger.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** Lines kept for a reader that is slower than the log. */
const BACKLOG_MAX = 1000;

/** `sys/monitor`: the server log as it is written. */
export function monitorPath({ server }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'monitor',
    summary: 'Streams the server log.',
    sudo: true,
    fields: {
      log_level: text({ description: 'Lines of this level and above.', default: 'info' }),
      log_format: text({ description: 'standard; the format is the server’s.', default: 'standard' }),
    },
    operations: {
      read: {
        handler(context, input) {
          if (!LOG_LEVELS.some((level) => level === input.log_level))
            throw new InvalidRequest('unknown log level');
          return {
            stream: {
              contentType: 'text/plain; charset=utf-8',
              body: logLines(server, input.log_level, context.signal()),
            },
          };
        },
      },
    },
  });
}

async function* logLines(
  server: SystemParts['server'],
  level: string,
  signal: AbortSignal,
): AsyncIterable<string> {
  const lines: string[] = [];
  let wake = () => {};
  const stop = server.monitorLog(level, (line) => {
    if (lines.length < BACKLOG_MAX) lines.push(line);
    wake();
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!signal.aborted) {
      if (lines.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      yield lines.splice(0).join('');
    }
  } finally {
    stop();
  }
}
