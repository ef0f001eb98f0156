import { InvalidRequest } from '../base/errors.ts';
import { LOG_LEVELS, type LogFormat } from '../base/logger.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { LogWanted, SystemParts } from './parts.ts';

/** Lines kept for a reader that is slower than the log. */
const BACKLOG_MAX = 1000;
const FORMATS = new Map<string, LogFormat>([
  ['standard', 'standard'],
  ['json', 'json'],
]);

/** `sys/monitor`: the server log as it is written. */
export function monitorPath({ server }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'monitor',
    summary: 'Streams the server log.',
    sudo: true,
    fields: {
      log_level: text({ description: 'Lines of this level and above.', default: 'info' }),
      log_format: text({ description: 'standard or json.', default: 'standard' }),
    },
    operations: {
      read: {
        handler(context, input) {
          const level = LOG_LEVELS.find((each) => each === input.log_level);
          if (!level) throw new InvalidRequest('unknown log level');
          const format = FORMATS.get(input.log_format);
          if (!format) throw new InvalidRequest('unknown log format');
          return {
            stream: {
              contentType: format === 'json' ? 'application/json' : 'text/plain; charset=utf-8',
              body: logLines(server, { level, format }, context.signal()),
            },
          };
        },
      },
    },
  });
}

async function* logLines(
  server: SystemParts['server'],
  wanted: LogWanted,
  signal: AbortSignal,
): AsyncIterable<string> {
  const lines: string[] = [];
  let wake = () => {};
  const stop = server.monitorLog(wanted, (line) => {
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
