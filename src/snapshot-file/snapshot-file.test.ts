import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  CHUNK_BYTES,
  decodeRecords,
  encodeRecords,
  recordBytes,
  SnapshotInvalid,
  type SnapshotMeta,
  type SnapshotRecord,
} from './format.ts';
import { readSnapshot } from './read.ts';
import { writeSnapshot } from './write.ts';

const META: SnapshotMeta = {
  format: 'coffer-snapshot',
  format_version: 1,
  version: '1.21.0+coffer',
  cluster_id: '6f4a0f4e-0000-4000-8000-000000000000',
  cluster_name: 'vault-cluster-6f4a0f4e',
  created_at: '2026-01-02T03:04:05Z',
  revision: 17,
  key_term: 2,
  seal: { type: 'shamir', shares: 5, threshold: 3 },
};

async function fileOf(records: readonly SnapshotRecord[], lists = [records]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const source = {
    meta: META,
    records: lists,
    seal: (digest: string) => ({
      algorithm: 'HMAC-SHA256' as const,
      key_term: 2,
      mac: Buffer.from(`code of ${digest}`).toString('base64'),
    }),
    createdAtMs: 1_767_323_045_000,
  };
  for await (const piece of writeSnapshot(source)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function contentOf(file: Uint8Array, pieceBytes = 1_000_000) {
  const records: { key: string; value: Buffer }[] = [];
  const read = await readSnapshot(
    (function* () {
      for (let at = 0; at < file.length; at += pieceBytes) yield file.subarray(at, at + pieceBytes);
    })(),
    {
      records: (list) =>
        void records.push(...list.map(({ key, value }) => ({ key, value: Buffer.from(value) }))),
    },
  );
  return { ...read, records };
}

const key = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .filter((text) => text.isWellFormed() && !text.includes('\0'));
const record = fc.record({
  key,
  value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});
const world = fc
  .uniqueArray(record, { selector: (one) => one.key, maxLength: 30 })
  .map((records) => records.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))));

const SMALL: SnapshotRecord[] = [
  { key: 'core/keyring', value: Buffer.from('keyring') },
  { key: 'logical/1/ключ', value: Buffer.alloc(0) },
  { key: 'logical/2', value: Buffer.alloc(700, 7) },
];

describe('a snapshot file', () => {
  it('gives back what was written, however it is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(world, fc.integer({ min: 50, max: 5000 }), async (records, pieceBytes) => {
        const read = await contentOf(await fileOf(records), pieceBytes);
        assert.deepEqual(
          read.records,
          records.map(({ key, value }) => ({ key, value })),
        );
        assert.deepEqual(read.meta, META);
        assert.equal(read.manifest.records, records.length);
        assert.equal(read.seal.mac, Buffer.from(`code of ${read.digest}`).toString('base64'));
      }),
      { numRuns: 50 },
    );
  });

  it('has more than one chunk when there is much, and each of them counts', async () => {
    const records = Array.from({ length: 40 }, (_, n) => ({
      key: `k${String(n).padStart(2, '0')}`,
      value: Buffer.alloc(CHUNK_BYTES / 10, n),
    }));
    const lists = [records.slice(0, 1), [], records.slice(1, 30), records.slice(30)];
    const read = await contentOf(await fileOf(records, lists), 100_000);
    assert.deepEqual(read.records, records);
    assert.equal(read.manifest.chunks, 4);
  });

  it('is refused when it is cut short, wherever', async () => {
    const file = await fileOf(SMALL);
    for (let length = 0; length < file.length; length += 17)
      await refused(file.subarray(0, length), `${length} bytes`);
    const archive = gunzipSync(file);
    for (let length = 0; length < archive.length; length += 512)
      await refused(gzipSync(archive.subarray(0, length)), `${length} bytes of the archive`);
  });

  it('is refused when a bit of it is another, or says the same all the same', async () => {
    const file = await fileOf(SMALL);
    const whole = await contentOf(file);
    let harmless = 0;
    for (let bit = 0; bit < file.length * 8; bit += bit < 400 ? 1 : 37) {
      const other = Buffer.from(file);
      other[bit >> 3]! ^= 1 << (bit & 7);
      const read = await contentOf(other).catch((error: unknown) => {
        assert.ok(error instanceof SnapshotInvalid, `bit ${bit}: ${error}`);
      });
      if (!read) continue;
      harmless++;
      assert.deepEqual(read, whole, `bit ${bit}`);
    }
    assert.ok(harmless <= 7 * 8, `${harmless} bits do not matter: more than those of gzip's own header`);
  });

  it('is refused when a bit of its archive is another, though compressed anew', async () => {
    const archive = gunzipSync(await fileOf(SMALL));
    const whole = await contentOf(gzipSync(archive));
    for (let byte = 0; byte < archive.length; byte += 11) {
      const other = Buffer.from(archive);
      other[byte]! ^= 0x11;
      const read = await contentOf(gzipSync(other)).catch((error: unknown) => {
        assert.ok(error instanceof SnapshotInvalid, `byte ${byte}: ${error}`);
      });
      // The code is for whoever has the keys; all else is held by the checksums.
      if (read) assert.notEqual(read.seal.mac, whole.seal.mac, `byte ${byte}`);
    }
  });

  it('is refused when something follows it', async () => {
    const file = await fileOf(SMALL);
    await refused(Buffer.concat([file, Buffer.from('more')]), 'more');
    await refused(Buffer.concat([file, file]), 'twice');
    await refused(gzipSync(Buffer.concat([gunzipSync(file), Buffer.alloc(512)])), 'another block');
  });

  it('is refused when it is something else', async () => {
    for (const other of ['', 'hello', '{"errors":[]}', '\x1f\x8b', '\x1f\x8b\x08'])
      await refused(Buffer.from(other, 'latin1'), other);
    await refused(gzipSync('hello'.repeat(1000)), 'some text');
    await refused(gzipSync(Buffer.alloc(4096)), 'zeros');
  });

  it('is refused when its records are not in order, or come twice', async () => {
    const [a, b] = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'b', value: Buffer.from('2') },
    ];
    await refused(await fileOf([b, a]), 'b before a');
    await refused(await fileOf([a, a]), 'a twice');
  });

  it('fails as its source fails', async () => {
    const file = await fileOf(SMALL);
    const source = (function* () {
      yield file.subarray(0, 100);
      throw new Error('the client has gone away');
    })();
    await assert.rejects(readSnapshot(source, {}), /the client has gone away/);
  });

  it('fails as its sink fails, though its source says nothing any more', async () => {
    const file = await fileOf(SMALL);
    const source = (async function* () {
      yield file;
      await new Promise(() => {});
    })();
    const sink = {
      records() {
        throw new Error('the disk is full');
      },
    };
    await assert.rejects(readSnapshot(source, sink), /the disk is full/);
  });

  it('stops reading its records when nobody wants the file any more', async () => {
    let left = false;
    const source = {
      meta: META,
      records: (async function* () {
        try {
          for (let n = 0; ; n++) yield [{ key: `k${n}`, value: Buffer.alloc(100_000) }];
        } finally {
          left = true;
        }
      })(),
      seal: () => ({ algorithm: 'HMAC-SHA256' as const, key_term: 2, mac: '' }),
      createdAtMs: 0,
    };
    for await (const _ of writeSnapshot(source)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(left);
  });
});

describe('a chunk of records', () => {
  it('is some records exactly, or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const chunk = Buffer.from(bytes);
        try {
          const records = decodeRecords(chunk);
          const total = records.reduce((sum, one) => sum + recordBytes(one), 0);
          if (total === chunk.length) assert.deepEqual(encodeRecords(records, total), chunk);
        } catch (error) {
          assert.ok(error instanceof SnapshotInvalid, String(error));
        }
      }),
    );
  });
});

async function refused(file: Uint8Array, what: string): Promise<void> {
  await assert.rejects(contentOf(file), SnapshotInvalid, what);
}
