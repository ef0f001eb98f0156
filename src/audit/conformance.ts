import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import type { AuditDeviceDeps, AuditDeviceType, AuditOptions } from './device.ts';

/** A real receiver that a device under test writes to. */
export interface Receiver {
  readonly options: AuditOptions;
  /** What has arrived, in order, as the lines that were written; waits until there are `count`. */
  received(count: number): Promise<string[]>;
  /** Makes writes fail; absent where nothing can fail (UDP tells nobody). */
  stop?(): Promise<void>;
  /** After `stop`: makes them work again. */
  start?(): Promise<void>;
  close(): Promise<void>;
}

export interface DeviceSuite {
  readonly type: AuditDeviceType;
  readonly open: () => Promise<Receiver>;
  /** Options that are refused before anything is opened, each with what the refusal says. */
  readonly refused: readonly (readonly [AuditOptions, RegExp])[];
  readonly deps?: Partial<AuditDeviceDeps>;
}

/** What tests of devices hand in: the real clock and no log. */
export const testDeps: AuditDeviceDeps = {
  clock: systemClock,
  log: silentLogger,
  environment: {},
  stdout: process.stdout,
  stderr: process.stderr,
};

/** What every kind of audit device must do; each kind's own test calls it with a real receiver. */
export function auditDeviceConformance(name: string, suite: DeviceSuite): void {
  const deps = { ...testDeps, ...suite.deps };
  const using = async (work: (receiver: Receiver) => Promise<void>): Promise<void> => {
    const receiver = await suite.open();
    await work(receiver).finally(() => receiver.close());
  };

  test(`${name}: lines arrive whole and in order`, () =>
    using(async ({ options, received }) => {
      const device = await suite.type.configure(options, deps)();
      const lines = ['{"a":1}\n', '{"text":"tökén €😀"}\n', `{"long":"${'x'.repeat(5000)}"}\n`];
      await device.write(encoded(...lines));
      await device.write(encoded('{"last":true}\n'));
      assert.deepEqual(await received(4), [...lines, '{"last":true}\n']);
      await device.close();
    }));

  test(`${name}: hundreds of lines go in one write`, () =>
    using(async ({ options, received }) => {
      const device = await suite.type.configure(options, deps)();
      const lines = Array.from(
        { length: 300 },
        (_, index) => `{"index":${index},"pad":"${'p'.repeat(800)}"}\n`,
      );
      await device.write(encoded(...lines));
      assert.deepEqual(await received(300), lines);
      await device.close();
    }));

  test(`${name}: goes on after a reload`, () =>
    using(async ({ options, received }) => {
      const device = await suite.type.configure(options, deps)();
      await device.write(encoded('{"before":1}\n'));
      await received(1);
      await device.reload?.();
      await device.write(encoded('{"after":1}\n'));
      assert.deepEqual(await received(2), ['{"before":1}\n', '{"after":1}\n']);
      await device.close();
    }));

  test(`${name}: fails while the receiver is gone and works when it is back`, (context) =>
    using(async (receiver) => {
      if (!receiver.stop || !receiver.start) return context.skip('this receiver cannot fail');
      const open = suite.type.configure(receiver.options, deps);
      const device = await open();
      await device.write(encoded('{"before":1}\n'));
      await receiver.received(1);
      await receiver.stop();
      await assert.rejects(device.write(encoded('{"lost":1}\n')));
      await receiver.start();
      await device.write(encoded('{"after":1}\n'));
      assert.ok((await receiver.received(2)).includes('{"after":1}\n'));
      await device.close();
    }));

  test(`${name}: options that cannot be are refused`, () => {
    for (const [options, message] of suite.refused) {
      assert.throws(
        () => suite.type.configure(options, deps),
        (error: Error) => error instanceof InvalidRequest && message.test(error.message),
        JSON.stringify(options),
      );
    }
  });
}

/** Waits until `look` gives something, for receivers that learn of lines a moment later. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(5);
  }
  throw new Error('nothing arrived in time');
}

/** Lines as devices get them. */
export function encoded(...lines: readonly string[]): Buffer[] {
  return lines.map((line) => Buffer.from(line));
}
