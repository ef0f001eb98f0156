import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientRoom, ClientWindows } from './windows.ts';

const roomy = () => new ClientRoom(10_000, 1);

test('a client gets its limit in each window, which begins with its first request', () => {
  const windows = new ClientWindows({ limit: 2, windowMs: 1000, blockMs: 0 }, roomy());
  const used = (atMs: number, client = 'a') => windows.take(client, atMs).used;
  assert.deepEqual([used(100), used(200), used(300), used(1099)], [1, 2, 3, 4]);
  assert.equal(used(500, 'b'), 1);
  assert.equal(used(1100), 1);
  assert.equal(windows.take('a', 1200).endsAtMs, 2100);
});

test('who goes over is shut out for the whole block, and no longer for going on', () => {
  const windows = new ClientWindows({ limit: 1, windowMs: 1000, blockMs: 5000 }, roomy());
  const over = (atMs: number) => windows.take('a', atMs).used > 1;
  assert.deepEqual([over(0), over(10), over(2000), over(5009)], [false, true, true, true]);
  assert.deepEqual([over(5010), over(5020)], [false, true]);
});

test('memory is bounded: newcomers share windows, and who is shut out stays so', () => {
  const room = new ClientRoom(100, 7);
  const windows = new ClientWindows({ limit: 1, windowMs: 1000, blockMs: 60_000 }, room);
  windows.take('bad', 0);
  windows.take('bad', 0);
  let refused = 0;
  for (let i = 0; i < 100_000; i++) if (windows.take(`address ${i}`, 1).used > 1) refused++;
  assert.equal(windows.size, 100);
  assert.ok(refused > 98_000, `${refused} of a flood were refused`);
  assert.ok(windows.take('bad', 2).used > 1);
  // The flood is over: what it took is given back as others come.
  for (let i = 0; i < 200; i++) windows.take(`later ${i}`, 70_000 + i * 2000);
  assert.ok(windows.size < 5, `${windows.size} are remembered`);
  windows.clear();
  for (let i = 0; i < 100; i++) assert.ok(room.take());
  assert.ok(!room.take());
});

test('windows are what a list of all requests says they are', () => {
  const request = fc.record({
    client: fc.constantFrom('a', 'b', 'c'),
    afterMs: fc.integer({ min: 0, max: 700 }),
  });
  const limits = fc.record({
    limit: fc.integer({ min: 1, max: 4 }),
    windowMs: fc.integer({ min: 1, max: 2000 }),
    blockMs: fc.constantFrom(0, 500, 3000),
  });
  fc.assert(
    fc.property(limits, fc.array(request, { maxLength: 60 }), ({ limit, windowMs, blockMs }, requests) => {
      const windows = new ClientWindows({ limit, windowMs, blockMs }, roomy());
      const simple = new Map<string, { startMs: number; count: number; untilMs: number }>();
      let nowMs = 0;
      for (const { client, afterMs } of requests) {
        nowMs += afterMs;
        const before = simple.get(client);
        let refused: boolean;
        if (before && nowMs < before.untilMs) refused = true;
        else if (!before || before.untilMs > 0 || nowMs >= before.startMs + windowMs) {
          simple.set(client, { startMs: nowMs, count: 1, untilMs: 0 });
          refused = false;
        } else {
          before.count++;
          refused = before.count > limit;
          if (refused && blockMs > 0) before.untilMs = nowMs + blockMs;
        }
        assert.equal(windows.take(client, nowMs).used > limit, refused);
      }
    }),
  );
});
