import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type LogEntry, LogLevels, LogTaps, renderEntry } from './logger.ts';

function open() {
  const lines: string[] = [];
  const levels = new LogLevels('info');
  const taps = new LogTaps();
  const log = createLogger(
    { level: 'info', format: 'standard', write: (line) => lines.push(line), now: () => 0, taps },
    levels,
  );
  return { lines, levels, taps, log };
}

test('levels hold for a logger and those below it, until one has its own', () => {
  const { lines, levels, log } = open();
  const slow = log.named('core').named('slow');
  slow.debug('a');
  levels.set('core', 'debug');
  slow.debug('b');
  levels.set('core.slow', 'error');
  slow.warn('c');
  log.named('core').debug('d');
  levels.set(undefined, 'trace');
  slow.trace('e');
  levels.reset('core.slow');
  slow.debug('f');
  slow.info('g');
  levels.reset(undefined);
  log.debug('h');
  levels.configure('debug');
  log.debug('i');
  assert.deepEqual(
    lines.map((line) => line.trimEnd().at(-1)),
    ['b', 'd', 'e', 'g', 'i'],
  );
});

test('who listens has a level of their own, and the server’s log does not change by it', () => {
  const { lines, taps, log } = open();
  const heard: LogEntry[] = [];
  const stop = taps.add('debug', (entry) => heard.push(entry));
  const stopErrors = taps.add('error', (entry) => heard.push(entry));
  log.trace('a');
  log.debug('b');
  log.error('c');
  stop();
  log.debug('d');
  stopErrors();
  log.error('e');
  assert.deepEqual(
    heard.map(({ message }) => message),
    ['b', 'c', 'c'],
  );
  assert.equal(lines.length, 2);
});

test('both forms are one line, whatever is in it', () => {
  const entry: LogEntry = {
    level: 'warn',
    name: 'core',
    message: 'said\nso',
    details: { error: new Error('why'), path: 'a"\n', missing: undefined },
    timeMs: 0,
  };
  assert.equal(
    renderEntry(entry, 'standard'),
    '1970-01-01T00:00:00.000Z [WARN]  core: said\\nso: error="why" path="a\\"\\n"\n',
  );
  assert.deepEqual(JSON.parse(renderEntry(entry, 'json')), {
    '@level': 'warn',
    '@message': 'said\nso',
    '@module': 'core',
    '@timestamp': '1970-01-01T00:00:00.000Z',
    error: 'why',
    path: 'a"\n',
  });
});
