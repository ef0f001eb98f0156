import { relative } from 'node:path';
import type { EventData, TestsStream } from 'node:test';
import { inspect } from 'node:util';
import { projectRoot } from './install.mjs';

/**
 * What a test run says: a line per file as it ends, then every skipped test with its reason, the failures in full,
 * and last the runner's own totals.
 */
export class Report {
  readonly #skipped = new Map<string, string[]>();
  readonly #failures: string[] = [];
  readonly #totals: string[] = [];
  readonly #unfinished: Set<string>;
  readonly #write: (line: string) => void;
  #skippedCount = 0;
  #success = true;

  constructor(files: readonly string[], write: (line: string) => void) {
    this.#unfinished = new Set(files.map(short));
    this.#write = write;
  }

  /** Whether every test passed so far. */
  get success(): boolean {
    return this.#success;
  }

  /** Files whose tests have not all ended. */
  get unfinished(): string[] {
    return [...this.#unfinished].sort();
  }

  follow(stream: TestsStream): TestsStream {
    stream.on('test:stdout', (event) => this.#output(event));
    stream.on('test:stderr', (event) => this.#output(event));
    stream.on('test:pass', (event) => this.#passed(event));
    stream.on('test:fail', (event) => this.#failed(event));
    stream.on('test:summary', (event) => this.#summary(event));
    stream.on('test:diagnostic', (event) => {
      if (event.file === undefined) this.#totals.push(`ℹ ${event.message}`);
    });
    return stream;
  }

  /** Counts a failure that is not one of the runner's: a left process, a check. */
  addFailure(text: string): void {
    this.#success = false;
    this.#failures.push(`✖ ${text}`);
  }

  finish(): void {
    if (this.#skipped.size > 0) {
      this.#write(`\n${this.#skippedCount} skipped:`);
      for (const [reason, names] of this.#skipped) {
        this.#write(`  ${reason}:`);
        for (const name of names) this.#write(`    ﹣ ${name}`);
      }
    }
    if (this.#failures.length > 0) this.#write(`\nfailures:\n${this.#failures.join('\n\n')}`);
    this.#write('');
    for (const line of this.#totals) this.#write(line);
  }

  #output(event: EventData.TestStdout | EventData.TestStderr): void {
    this.#write(event.message.replace(/\n$/, ''));
  }

  #passed(event: EventData.TestPass): void {
    if (event.skip === undefined || event.skip === false) return;
    const reason = typeof event.skip === 'string' ? event.skip : 'no reason given';
    const name = `${event.file ? `${short(event.file)}: ` : ''}${event.name}`;
    this.#skippedCount++;
    this.#skipped.set(reason, [...(this.#skipped.get(reason) ?? []), name]);
  }

  #failed(event: EventData.TestFail): void {
    this.#success = false;
    const error = event.details.error as Error & { failureType?: string };
    if (error.failureType === 'subtestsFailed') return;
    const place = event.file ? `${short(event.file)}:${event.line ?? 1}` : '';
    this.#write(`✖ ${place} ${event.name}`);
    this.#failures.push(`✖ ${event.name}\n  at ${place}\n${indent(describe(error.cause ?? error))}`);
  }

  #summary(event: EventData.TestSummary): void {
    if (event.file === undefined) {
      this.#success &&= event.success;
      return;
    }
    this.#unfinished.delete(short(event.file));
    const { passed, skipped, tests } = event.counts;
    const others = tests - passed - skipped;
    const counts = [
      `${passed} passed`,
      ...(skipped ? [`${skipped} skipped`] : []),
      ...(others ? [`${others} failed`] : []),
    ];
    const mark = event.success ? '✔' : '✖';
    this.#write(`${mark} ${short(event.file)} (${counts.join(', ')}, ${Math.round(event.duration_ms)} ms)`);
  }
}

function short(file: string): string {
  return relative(projectRoot, file);
}

function describe(cause: unknown): string {
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 6, breakLength: 110 });
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
