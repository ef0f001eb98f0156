import assert from 'node:assert/strict';
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { auditDeviceConformance, encoded, eventually, testDeps } from '../conformance.ts';
import type { AuditDevice, AuditDeviceDeps } from '../device.ts';
import { fileDevice } from './file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-audit-'));
});
after(() => rm(folder, { recursive: true }));

let files = 0;
const newPath = (): string => join(folder, `audit-${++files}.log`);

function open(options: Record<string, string>, deps: Partial<AuditDeviceDeps> = {}): Promise<AuditDevice> {
  return fileDevice.configure(options, { ...testDeps, ...deps })();
}

auditDeviceConformance('file', {
  type: fileDevice,
  async open() {
    const path = newPath();
    return {
      options: { file_path: path },
      received: (count) =>
        eventually(async () => {
          const lines = (await readFile(path, 'utf8')).split(/(?<=\n)/);
          return lines.length >= count ? lines : undefined;
        }),
      close: () => rm(path, { force: true }),
    };
  },
  refused: [
    [{}, /^file_path is required$/],
    [{ file_path: '/tmp/x', mode: '0755' }, /executable/],
    [{ file_path: '/tmp/x', mode: 'rw' }, /must be octal/],
    [{ file_path: '/tmp/x', mode: '4600' }, /permission bits/],
    [{ file_path: '/tmp/x\0y' }, /NUL/],
  ],
});

test('file: a new file has mode 0600, an existing one gets the mode asked for, 0000 leaves it', async () => {
  const path = newPath();
  await (await open({ file_path: path })).close();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await (await open({ file_path: path, mode: '0640' })).close();
  assert.equal((await stat(path)).mode & 0o777, 0o640);
  await (await open({ file_path: path, mode: '0000' })).close();
  assert.equal((await stat(path)).mode & 0o777, 0o640);
});

test('file: one that was moved is made anew, and nothing is lost or doubled', async () => {
  const path = newPath();
  const clock = new ManualClock();
  const device = await open({ file_path: path }, { clock });
  await device.write(encoded('1\n'));
  await rename(path, `${path}.1`);
  await device.write(encoded('2\n'));
  clock.advance(200);
  await device.write(encoded('3\n'));
  await device.write(encoded('4\n'));
  await device.close();
  assert.equal((await readFile(`${path}.1`, 'utf8')) + (await readFile(path, 'utf8')), '1\n2\n3\n4\n');
  assert.ok((await readFile(path, 'utf8')).endsWith('4\n'));
});

test('file: one that was removed is made anew with what went into the void', async () => {
  const path = newPath();
  const clock = new ManualClock();
  const device = await open({ file_path: path }, { clock });
  await device.write(encoded('1\n'));
  await unlink(path);
  await device.write(encoded('2\n'));
  clock.advance(200);
  await device.write(encoded('3\n'));
  await device.close();
  assert.equal(await readFile(path, 'utf8'), '2\n3\n');
});

test('file: it is an error when it cannot be made anew, until it can', async () => {
  const parent = join(folder, 'gone');
  await mkdir(parent);
  const path = join(parent, 'audit.log');
  const clock = new ManualClock();
  const device = await open({ file_path: path }, { clock });
  await rm(parent, { recursive: true });
  clock.advance(200);
  await assert.rejects(device.write(encoded('1\n')), /no such file or directory/);
  await mkdir(parent);
  await device.write(encoded('2\n'));
  await device.close();
  assert.match(await readFile(path, 'utf8'), /2\n$/);
});

test('file: links, executables, folders, pipes and system paths are refused', async () => {
  const target = join(folder, 'target');
  await writeFile(target, 'untouched', { mode: 0o600 });
  const linked = join(folder, 'link.log');
  await symlink(target, linked);
  const executable = join(folder, 'plugin');
  await writeFile(executable, '', { mode: 0o700 });
  for (const [path, reason] of [
    [linked, /symbolic link/],
    [executable, /executable/],
    [folder, /is a directory/],
    [join(folder, 'none', 'a.log'), /no such file or directory/],
    ['/proc/self/comm', /belongs to the system/],
    ['/dev/zero', /belongs to the system/],
  ] as const) {
    await assert.rejects(open({ file_path: path }), reason);
  }
  assert.equal(await readFile(target, 'utf8'), 'untouched');
  assert.equal((await stat(executable)).mode & 0o777, 0o700);
});

test('file: with folders configured, only what really lies in them is written', async () => {
  const inside = join(folder, 'inside');
  await mkdir(inside);
  await symlink(folder, join(inside, 'out'));
  const deps = { fileFolders: [inside] };
  await (await open({ file_path: join(inside, 'a.log') }, deps)).close();
  for (const path of [newPath(), join(inside, '..', 'b.log'), join(inside, 'out', 'c.log')]) {
    await assert.rejects(open({ file_path: path }, deps), /not one that the server configuration allows/);
  }
});

test('file: stdout, stderr and discard', async () => {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  await (await open({ file_path: 'stdout' }, { stdout })).write(encoded('out\n'));
  await (await open({ file_path: '/dev/stderr' }, { stderr })).write(encoded('err\n'));
  await (await open({ path: 'discard' })).write(encoded('nothing\n'));
  assert.equal(String(stdout.read()), 'out\n');
  assert.equal(String(stderr.read()), 'err\n');
});

test('file: an existing file is appended to and may have other names', async () => {
  const path = newPath();
  await writeFile(path, 'old\n');
  await chmod(path, 0o600);
  await link(path, `${path}.backup`);
  const device = await open({ file_path: path });
  await device.write(encoded('new\n'));
  await device.close();
  assert.equal(await readFile(`${path}.backup`, 'utf8'), 'old\nnew\n');
});
