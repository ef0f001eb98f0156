import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { openLocalLog } from '../log/local.ts';
import { compareKeys } from './keys.ts';
import { openMemoryCopy } from './memory.ts';
import { openStore } from './open.ts';
import { SortedKeys } from './sorted-keys.ts';
import type { Page, Store, Transaction } from './store.ts';

/*
 * The store against the simplest thing that could be right: one map of what is visible with the revision each change
 * waits for, and one map of writes per transaction. Several transactions go on at the same time while commits reach
 * the disk whenever the run says so.
 */

const segment = fc.constantFrom('a', 'b', 'a.b', '0', 'é', '\uffff', '\u{10000}', 'zz');
const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const prefix = fc.array(segment, { maxLength: 2 }).map((parts) => parts.map((part) => `${part}/`).join(''));
const limit = fc.option(fc.nat(5), { nil: undefined });
const who = fc.nat(2);

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), who, key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), who, key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), who, key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('list' as const),
      who,
      prefix,
      after: fc.option(
        fc.tuple(segment, fc.constantFrom('', '/')).map((parts) => parts.join('')),
        { nil: undefined },
      ),
      limit,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('keys' as const),
      who,
      prefix,
      after: fc.option(key, { nil: undefined }),
      limit,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('apply' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('discard' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('begin' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
);
const commands = fc.array(command, { maxLength: 80, size: 'max' });
/** What is there before, more than a cursor reads at once. */
const stored = fc.uniqueArray(key, { maxLength: 100, size: 'max' });
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

interface Visible {
  value: string | undefined;
  revision: number;
}

class Reference {
  readonly visible = new Map<string, Visible>();
  readonly own: Map<string, string | undefined>[] = [new Map(), new Map(), new Map()];

  value(who: number, key: string): string | undefined {
    const own = this.own[who]!;
    return own.has(key) ? own.get(key) : this.visible.get(key)?.value;
  }
  keys(who: number, prefix: string): string[] {
    return [...new Set([...this.visible.keys(), ...this.own[who]!.keys()])]
      .filter((key) => key.startsWith(prefix) && this.value(who, key) !== undefined)
      .sort(compareBytes);
  }
  list(who: number, prefix: string): string[] {
    const names = this.keys(who, prefix).map((key) => {
      const rest = key.slice(prefix.length);
      return rest.includes('/') ? rest.slice(0, rest.indexOf('/') + 1) : rest;
    });
    return [...new Set(names)];
  }
  apply(who: number, revision: number): void {
    for (const [key, value] of this.own[who]!) this.visible.set(key, { value, revision });
    this.own[who]!.clear();
  }
}

class Run {
  readonly #reference = new Reference();
  readonly #flushes: (() => void)[] = [];
  readonly #copy = openMemoryCopy({
    flush: (write) =>
      new Promise((resolve) => {
        this.#flushes.push(() => {
          write();
          resolve();
        });
      }),
  });
  #store!: Store;
  #transactions: Transaction[] = [];
  #written = 0;

  async open(stored: readonly string[]): Promise<void> {
    const filled = this.#copy.apply(
      stored.map((key) => ({ key, value: Buffer.from('stored') })),
      1,
    );
    for (const key of stored) this.#reference.visible.set(key, { value: 'stored', revision: 1 });
    await this.#commit();
    await filled;
    const log = openLocalLog({ copy: this.#copy });
    const lead = log.lead();
    await this.#commit();
    const fence = await lead;
    this.#store = openStore({ copy: this.#copy, log, fence, appendLimits: { changes: 6, bytes: 10_000 } });
    this.#transactions = [0, 1, 2].map(() => this.#store.begin());
  }

  async step(command: Command): Promise<void> {
    if (command.kind === 'commit') return this.#commit();
    const { who } = command;
    const transaction = this.#transactions[who]!;
    const reference = this.#reference;
    switch (command.kind) {
      case 'put': {
        this.#written += 1;
        const text = `value ${this.#written}`;
        transaction.put(command.key, Buffer.from(text));
        reference.own[who]!.set(command.key, text);
        break;
      }
      case 'delete':
        transaction.delete(command.key);
        reference.own[who]!.set(command.key, undefined);
        break;
      case 'get':
        this.#get(who, command.key);
        break;
      case 'list':
        this.#compare(who, command.prefix, reference.list(who, command.prefix), command, () =>
          transaction.list(command.prefix, command),
        );
        break;
      case 'keys':
        this.#compare(who, command.prefix, reference.keys(who, command.prefix), command, () => [
          ...transaction.keys(command.prefix, command),
        ]);
        break;
      case 'apply':
        reference.apply(who, transaction.apply());
        break;
      case 'discard':
        transaction.discard();
        reference.own[who]!.clear();
        break;
      case 'begin':
        this.#transactions[who] = this.#store.begin();
        reference.own[who]!.clear();
    }
    assert.equal(this.#transactions[who]!.dirty, reference.own[who]!.size > 0);
  }

  #get(who: number, key: string): void {
    const transaction = this.#transactions[who]!;
    const before = transaction.dependsOn;
    assert.equal(textOf(transaction.get(key)), this.#reference.value(who, key));
    const seen = this.#reference.own[who]!.has(key) ? 0 : this.#pendingRevision(key);
    assert.equal(transaction.dependsOn, Math.max(before, seen));
  }

  #compare(who: number, prefix: string, all: string[], page: Page, read: () => string[]): void {
    const { after, limit } = page;
    const expected = all
      .filter((name) => after === undefined || compareBytes(name, after) > 0)
      .slice(0, limit ?? undefined);
    const transaction = this.#transactions[who]!;
    const before = transaction.dependsOn;
    assert.deepEqual(read(), expected);
    const pending = [...this.#reference.visible.keys()].filter((key) => key.startsWith(prefix));
    const newest = Math.max(0, ...pending.map((key) => this.#pendingRevision(key)));
    assert.ok(transaction.dependsOn <= Math.max(before, newest), 'depends on nothing outside the prefix');
    if (after !== undefined || limit !== undefined) return;
    for (const name of expected.filter((name) => !name.endsWith('/'))) {
      const key = name.startsWith(prefix) ? name : prefix + name;
      if (!this.#reference.own[who]!.has(key)) assert.ok(transaction.dependsOn >= this.#pendingRevision(key));
    }
  }

  /** 0 when the visible value of `key` is durable. */
  #pendingRevision(key: string): number {
    const revision = this.#reference.visible.get(key)?.revision ?? 0;
    return revision > this.#copy.revision ? revision : 0;
  }

  async #commit(): Promise<void> {
    await turn();
    this.#flushes.shift()?.();
    await turn();
    for (const [key, { value, revision }] of this.#store ? this.#reference.visible : []) {
      if (revision <= this.#copy.revision && this.#store.durable(revision) === undefined) {
        assert.equal(textOf(this.#copy.get(key)), value);
      }
    }
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const textOf = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const compareBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const runs = Number(process.env.COFFER_PROPERTY_RUNS ?? 300);

it('the store behaves as its reference', async () => {
  await fc.assert(
    fc.asyncProperty(stored, commands, async (stored, commands) => {
      const run = new Run();
      await run.open(stored);
      for (const command of commands) await run.step(command);
    }),
    { numRuns: runs },
  );
});

it('keys are ordered as their bytes', () => {
  const any = fc.string({ unit: 'grapheme', maxLength: 6 });
  fc.assert(
    fc.property(any, any, (a, b) => {
      assert.equal(Math.sign(compareKeys(a, b)), Math.sign(compareBytes(a, b)));
    }),
  );
  for (const [a, b] of [
    ['\uffff', '\u{10000}'],
    ['a\ue000', 'a\u{10ffff}'],
    ['\u{10000}', '\u{10000}a'],
  ]) {
    assert.ok(compareKeys(a!, b!) < 0);
  }
});

it('sorted keys behave as a sorted set', () => {
  const change = fc.tuple(fc.boolean(), fc.nat(3000));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 3000, size: 'max' }), fc.nat(3000), (changes, start) => {
      const keys = new SortedKeys();
      const reference = new Set<string>();
      for (const [add, n] of changes) {
        const name = n.toString(36);
        if (add) {
          keys.add(name);
          reference.add(name);
        } else {
          keys.delete(name);
          reference.delete(name);
        }
      }
      const sorted = [...reference].sort(compareBytes);
      const from = start.toString(36);
      assert.equal(keys.size, sorted.length);
      assert.deepEqual(keys.range('', undefined, 1e9), sorted);
      assert.deepEqual(
        keys.range(from, 'x', 7),
        sorted.filter((name) => name >= from && name < 'x').slice(0, 7),
      );
    }),
    { numRuns: 40 },
  );
});
