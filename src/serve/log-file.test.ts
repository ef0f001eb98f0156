import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { LogFile, type LogFileOptions } from './log-file.ts';

function open(t: TestContext, change: Partial<LogFileOptions> = {}, name = 'server.log') {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-log-'));
  const clock = new ManualClock();
  const file = new LogFile({
    path: join(folder, name),
    rotateSeconds: 0,
    rotateBytes: 0,
    filesMax: 0,
    clock,
    ...change,
  });
  t.after(() => {
    file.close();
    rmSync(folder, { recursive: true });
  });
  const contents = () =>
    readdirSync(folder)
      .sort()
      .map((each) => readFileSync(join(folder, each), 'utf8'));
  return { folder, clock, file, contents };
}

test('a file that would grow too long is set aside, and no line is lost or torn', (t) => {
  const { folder, file, contents } = open(t, { rotateBytes: 10 });
  for (const line of ['one\n', 'two\n', 'three\n', 'a line of its own\n', 'four\n']) file.write(line);
  assert.deepEqual(contents(), ['one\ntwo\n', 'three\n', 'a line of its own\n', 'four\n']);
  const names = readdirSync(folder).sort();
  assert.match(names[0]!, /^server-\d{19}\.log$/);
  assert.equal(names.at(-1), 'server.log');
  assert.equal(statSync(join(folder, 'server.log')).mode & 0o777, 0o600);
});

test('so is one that is old; nothing happens while nobody writes', (t) => {
  const { clock, file, contents } = open(t, { rotateSeconds: 3600 });
  file.write('one\n');
  clock.advance(3_599_000);
  file.write('two\n');
  clock.advance(1000);
  file.write('three\n');
  clock.advance(36_000_000);
  assert.deepEqual(contents(), ['one\ntwo\n', 'three\n']);
});

test('old files are kept up to a number; other files are left alone', (t) => {
  const { folder, file, contents } = open(t, { rotateBytes: 1, filesMax: 2 });
  renameSync(join(folder, 'server.log'), join(folder, 'server-notes.log'));
  file.reopen();
  for (const line of ['1\n', '2\n', '3\n', '4\n', '5\n']) file.write(line);
  assert.deepEqual(contents(), ['3\n', '4\n', '', '5\n']);
  const none = open(t, { rotateBytes: 1, filesMax: -1 });
  for (const line of ['1\n', '2\n', '3\n']) none.file.write(line);
  assert.deepEqual(none.contents(), ['3\n']);
});

test('the usual name in a folder, the usual ending without one', (t) => {
  assert.match(open(t, {}, 'vault').file.path, /\/vault\.log$/);
  const folder = mkdtempSync(join(tmpdir(), 'coffer-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.equal(open(t, { path: `${folder}/` }).file.path, join(folder, 'coffer.log'));
});

test('a folder that nobody may write costs the rotation, not the lines', {
  skip: process.getuid?.() === 0 && 'root may write everywhere',
}, (t) => {
  const { folder, file, contents } = open(t, { rotateBytes: 1 });
  file.write('1\n');
  chmodSync(folder, 0o500);
  file.write('2\n');
  chmodSync(folder, 0o700);
  assert.deepEqual(contents(), ['1\n2\n']);
});
