import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { logConformance } from '../log/conformance.ts';
import type { DurableCopy } from '../log/copy.ts';
import { openLocalLog } from '../log/local.ts';
import type { Log } from '../log/log.ts';
import { KEY_FIRST } from './keys.ts';
import { openLmdbCopy } from './lmdb.ts';
import { MemoryDisk, openMemoryCopy } from './memory.ts';
import { temporaryDirectory } from './testing.ts';

/** Where copies can be opened again and again. */
interface Place {
  open(): DurableCopy;
  remove(): void;
}

const PLACES: Record<string, () => Place> = {
  memory() {
    const disk = new MemoryDisk();
    return { open: () => openMemoryCopy({ disk }), remove: () => {} };
  },
  LMDB() {
    const directory = temporaryDirectory();
    return { open: () => openLmdbCopy({ path: directory.path }), remove: directory.remove };
  },
};

for (const [name, makePlace] of Object.entries(PLACES)) {
  logConformance(`the local log over ${name}`, async () => {
    const place = makePlace();
    const copies: DurableCopy[] = [];
    const open = async (): Promise<Log> => {
      const copy = place.open();
      copies.push(copy);
      return openLocalLog({ copy });
    };
    return {
      open,
      shared: false,
      async compact(log) {
        await log.close();
        return open();
      },
      async dispose() {
        for (const copy of copies) await copy.close();
        place.remove();
      },
    };
  });

  describe(`the copy in ${name}`, () => {
    let place: Place;
    let copy: DurableCopy;
    beforeEach(() => {
      place = makePlace();
      copy = place.open();
    });
    afterEach(async () => {
      await copy.close();
      place.remove();
    });
    const all = (start = KEY_FIRST, end?: string, limit = 1000) => copy.keys({ start, end, limit });

    it('orders keys by their bytes', async () => {
      const keys = [
        'b',
        'a',
        'a/b',
        'a0',
        'a.b',
        'A',
        'é',
        '\uffff',
        '\u{10000}',
        'z'.repeat(1900),
        '\ue000',
      ];
      await copy.apply(
        keys.map((key) => ({ key, value: Buffer.from(key) })),
        1,
      );
      const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      assert.deepEqual(all(), sorted);
      for (const key of keys) assert.equal(Buffer.from(copy.get(key)!).toString(), key);
      assert.deepEqual(all('a/', 'b'), ['a/b', 'a0']);
      assert.deepEqual(all('a', undefined, 2), ['a', 'a.b']);
      assert.deepEqual(all('a\0', 'a0'), ['a.b', 'a/b']);
    });

    it('has nothing under keys that cannot be stored', async () => {
      await copy.apply([{ key: '\ufffd', value: Buffer.from('x') }], 1);
      for (const key of ['', '\ud800', '\0revision', '\0term', 'é'.repeat(1900), 'x'.repeat(100_000)]) {
        assert.equal(copy.get(key), undefined);
      }
    });

    it('gives bytes that stay as they are', async () => {
      await copy.apply([{ key: 'a', value: Buffer.from('first') }], 1);
      const first = copy.get('a')!;
      await copy.apply([{ key: 'a', value: Buffer.from('other') }], 2);
      copy.get('a');
      assert.equal(Buffer.from(first).toString(), 'first');
      first.fill(0);
      assert.equal(Buffer.from(copy.get('a')!).toString(), 'other');
    });

    it('reads what was applied as soon as it resolves, and knows its revision again later', async () => {
      assert.equal(copy.revision, 0);
      for (let revision = 1; revision <= 20; revision++) {
        const batch = [{ key: 'n', value: Buffer.from(`${revision}`) }];
        copy.get('n');
        await copy.apply(batch, revision);
        assert.equal(Buffer.from(copy.get('n')!).toString(), `${revision}`);
        assert.equal(copy.revision, revision);
      }
      await copy.close();
      copy = place.open();
      assert.equal(copy.revision, 20);
    });

    it('grows', async () => {
      const value = Buffer.alloc(1024 * 1024, 1);
      for (let revision = 1; revision <= 8; revision++) {
        await copy.apply([{ key: `large/${revision}`, value }], revision);
      }
      for (const key of all()) assert.ok(value.equals(copy.get(key)!));
    });

    it('keeps staged records apart until they take the place of all, for good', async () => {
      await copy.apply([{ key: 'old', value: Buffer.from('1') }], 1);
      const staged = await copy.stage();
      await staged.add([{ key: 'a', value: Buffer.from('2') }]);
      await staged.add([{ key: 'b', value: Buffer.from('3') }]);
      await copy.apply([{ key: 'old too', value: Buffer.from('4') }], 2);
      assert.deepEqual(all(), ['old', 'old too']);
      assert.deepEqual([...copy.snapshot().records].length, 2);
      assert.equal(Buffer.from(staged.get('b')!).toString(), '3');
      const before = copy.snapshot();
      await staged.adopt(3);
      assert.equal(copy.revision, 3);
      assert.deepEqual(all(), ['a', 'b']);
      assert.equal(copy.get('old'), undefined);
      assert.deepEqual(
        [...before.records].map(({ key }) => key),
        ['old', 'old too'],
      );
      await copy.apply([{ key: 'c', value: Buffer.from('5') }], 4);
      await copy.close();
      copy = place.open();
      assert.equal(copy.revision, 4);
      assert.deepEqual(all(), ['a', 'b', 'c']);
    });

    it('takes another set of records again and again', async () => {
      for (let round = 1; round <= 12; round++) {
        const staged = await copy.stage();
        const values = Array.from({ length: 700 }, (_, n) => ({
          key: `round ${round}/${n}`,
          value: Buffer.from(`${n}`),
        }));
        await staged.add(values);
        await staged.adopt(round);
        assert.equal(all().length, 700);
        assert.ok(all().every((key) => key.startsWith(`round ${round}/`)));
        // What was before is being cleared away meanwhile.
        if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });

    it('forgets staged records that are discarded, or left at the end', async () => {
      await copy.apply([{ key: 'old', value: Buffer.from('1') }], 1);
      for (let round = 0; round < 20; round++) {
        const staged = await copy.stage();
        assert.deepEqual(staged.keys({ start: KEY_FIRST, end: undefined, limit: 10 }), [], `round ${round}`);
        await staged.add([{ key: `staged ${round}`, value: Buffer.from('2') }]);
        staged.discard();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await (await copy.stage()).add([{ key: 'left', value: Buffer.from('3') }]);
      await copy.close();
      copy = place.open();
      assert.deepEqual(all(), ['old']);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const again = await copy.stage();
      assert.deepEqual(again.keys({ start: KEY_FIRST, end: undefined, limit: 10 }), []);
      assert.deepEqual(all(), ['old']);
    });

    it('does not let a former leader put other records in the place of all', async () => {
      const former = await copy.lead();
      await copy.apply([{ key: 'kept', value: Buffer.from('1') }], 1, former);
      const staged = await copy.stage();
      await staged.add([{ key: 'other', value: Buffer.from('2') }]);
      await copy.lead();
      await assert.rejects(staged.adopt(2, former), { code: 'fence_lost' });
      assert.deepEqual(all(), ['kept']);
    });
  });
}

it('keeps the LMDB file to its owner', async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'made');
  const copy = openLmdbCopy({ path });
  assert.equal(statSync(path).mode & 0o777, 0o700);
  for (const file of ['data.mdb', 'lock.mdb']) assert.equal(statSync(join(path, file)).mode & 0o777, 0o600);
  await copy.close();
  directory.remove();
});

it('opens no file that would end the process', async () => {
  const directory = temporaryDirectory();
  const file = join(directory.path, 'data.mdb');
  const copy = openLmdbCopy({ path: directory.path });
  await copy.apply(
    Array.from({ length: 50 }, (_, n) => ({ key: `k${n}`, value: Buffer.alloc(1000) })),
    1,
  );
  await copy.close();
  const good = readFileSync(file);
  const refuses = (content: Buffer, reason: RegExp) => {
    writeFileSync(file, content);
    assert.throws(() => openLmdbCopy({ path: directory.path }), reason);
  };
  refuses(Buffer.alloc(20_000, 7), /is not a store/);
  refuses(good.subarray(0, 100), /is not a store/);
  refuses(good.subarray(0, 4096), /second page/);
  refuses(good.subarray(0, 8192), /was cut short/);
  for (const content of [good, Buffer.alloc(0)]) {
    writeFileSync(file, content);
    const again = openLmdbCopy({ path: directory.path });
    assert.equal(again.revision, content.length > 0 ? 1 : 0);
    await again.close();
  }
  directory.remove();
});

it('leaves the LMDB file to the process that has it open, until that one ends', async () => {
  const directory = temporaryDirectory();
  const module = new URL('./lmdb.ts', import.meta.url).href;
  const program = `
    const { openLmdbCopy } = await import(process.argv[1]);
    openLmdbCopy({ path: process.argv[2] });
    process.stdout.write('open');
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program, module, directory.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(owner, 'exit');
  await once(owner.stdout, 'data');
  assert.throws(() => openLmdbCopy({ path: directory.path }), {
    code: 'unavailable',
    message: `the storage directory ${directory.path} is in use by process ${owner.pid}`,
  });
  owner.kill('SIGKILL');
  await ended;
  const copy = openLmdbCopy({ path: directory.path });
  await copy.close();
  directory.remove();
});
