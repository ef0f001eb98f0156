import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CofferError } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath, EngineType, Operation, OperationName } from './engine.ts';
import { hostileSegments, hostileValues } from './hostile.ts';
import { captureNames } from './openapi.ts';
import type { Reply } from './reply.ts';
import { PathTable } from './router.ts';
import { type Harness, type HarnessOptions, openEngine } from './testing.ts';

/**
 * What every engine and auth method must do, whatever it is for. An engine's own test calls this once, with requests
 * that bring a fresh mount into a state worth looking at.
 */
export interface Conformance {
  readonly type: EngineType;
  readonly harness?: HarnessOptions;
  /** Run in order on a fresh mount; each must succeed. Their paths tell what placeholders may stand for. */
  readonly samples: readonly Sample[];
  /** Also calls operations marked `outside`: when what they reach is there. */
  readonly outside?: boolean;
  /** Patterns whose reads differ each time. */
  readonly unstable?: readonly string[];
}

export interface Sample {
  readonly path: string;
  readonly data?: UnknownRecord;
  /** `update` if not given. */
  readonly operation?: Operation;
}

export function engineConformance(name: string, conformance: Conformance): void {
  for (const [title, check] of CHECKS) {
    test(`${name}: ${title}`, async () => {
      const failures = await check(new Subject(conformance));
      const more = failures.length > 10 ? [`and ${failures.length - 10} more`] : [];
      assert.deepEqual([...failures.slice(0, 10), ...more], []);
    });
  }
}

/** The titles of the checks that fail, with what each found: to test the suite itself. */
export async function conformanceFailures(conformance: Conformance): Promise<Map<string, readonly string[]>> {
  const failed = new Map<string, readonly string[]>();
  for (const [title, check] of CHECKS) {
    const failures = await check(new Subject(conformance));
    if (failures.length > 0) failed.set(title, failures);
  }
  return failed;
}

const CHECKS: readonly (readonly [string, (subject: Subject) => string[] | Promise<string[]>])[] = [
  ['every path and field is described', (subject) => subject.undescribed()],
  ['no request could mean two paths', (subject) => subject.ambiguous()],
  ['bad fields get a clear error and do no harm', (subject) => subject.hostileFields()],
  ['bad path segments get a clear error and do no harm', (subject) => subject.hostilePaths()],
  ['unknown parameters are named in a warning', (subject) => subject.unwarned()],
  ['reads never show a secret field', (subject) => subject.shownSecrets()],
  ['lists can be walked page by page', (subject) => subject.brokenLists()],
  ['everything is there after a restart', (subject) => subject.lost()],
  ['whether periodic work waits for somebody to use the mount is said', (subject) => subject.undecided()],
];

const QUERIES: readonly OperationName[] = ['read', 'list', 'scan'];

class Subject {
  readonly #conformance: Conformance;
  readonly #paths: readonly EnginePath[];
  readonly #table: PathTable;
  /** What placeholders stand for, sample by sample. */
  readonly #captures: Readonly<Record<string, string>>[] = [];
  readonly #sampled = new Map<EnginePath, Sample[]>();

  constructor(conformance: Conformance) {
    this.#conformance = conformance;
    this.#paths = openEngine(conformance.type, conformance.harness).engine.paths;
    this.#table = new PathTable(this.#paths);
    for (const sample of conformance.samples) {
      const match = this.#table.match(sample.path);
      if (!match) throw new Error(`sample ${sample.path} matches no path`);
      this.#captures.push(match.captures);
      this.#sampled.set(match.path, [...(this.#sampled.get(match.path) ?? []), sample]);
    }
  }

  undecided(): string[] {
    const { type, harness } = this.#conformance;
    const { periodic = [] } = openEngine(type, harness).engine;
    return periodic.length > 0 && type.wakes === undefined ? [`${type.type}: wakes is not set`] : [];
  }

  undescribed(): string[] {
    const failures: string[] = [];
    for (const path of this.#paths) {
      if (!path.summary.trim()) failures.push(`${path.pattern} has no summary`);
      if (Object.keys(path.operations).length === 0) failures.push(`${path.pattern} has no operation`);
      for (const [fieldName, field] of Object.entries(path.fields)) {
        if (!field.description.trim()) failures.push(`${path.pattern}: ${fieldName} has no description`);
      }
    }
    return failures;
  }

  ambiguous(): string[] {
    const seen = new Set<string>();
    return this.#paths.flatMap((path) => {
      const shape = path.pattern.replaceAll(
        /\{(\w+)\}/g,
        (_, placeholder: string) => `{${path.fields[placeholder]?.segment?.source ?? ''}}`,
      );
      const known = shape.replaceAll(/\{\w+(\.\.\.|\+)\}/g, '{$1}');
      if (seen.has(known)) return [`another path has the shape of ${path.pattern}`];
      seen.add(known);
      return [];
    });
  }

  /** A fresh mount with all samples. */
  async opened(): Promise<Harness> {
    const harness = openEngine(this.#conformance.type, this.#conformance.harness);
    for (const sample of this.#conformance.samples) await run(harness, sample);
    return harness;
  }

  async hostileFields(): Promise<string[]> {
    const harness = await this.opened();
    const failures: string[] = [];
    for (const path of this.#paths) {
      const inPath = new Set(captureNames(path.pattern));
      const names = Object.keys(path.fields).filter((fieldName) => !inPath.has(fieldName));
      if (path.freeForm) names.push('anything', '__proto__');
      for (const operation of this.#operations(path)) {
        for (const fieldName of names) {
          for (const [kind, value] of hostileValues) {
            const data = withMember(this.#data(path), fieldName, value);
            const request = { path: this.#concrete(path)[0]!, data, operation };
            failures.push(...(await rawFailure(harness, request, `${fieldName} is ${kind}`)));
          }
        }
      }
    }
    return [...failures, ...(await this.#harm(harness))];
  }

  async hostilePaths(): Promise<string[]> {
    const harness = await this.opened();
    const failures: string[] = [];
    for (const path of this.#paths) {
      for (const placeholder of captureNames(path.pattern)) {
        for (const segment of hostileSegments) {
          for (const operation of this.#operations(path)) {
            const where = this.#filled(path, { ...this.#captures[0], [placeholder]: segment });
            const request = { path: where, data: this.#data(path), operation };
            failures.push(...(await rawFailure(harness, request, 'a bad path')));
          }
        }
      }
    }
    return [...failures, ...(await this.#harm(harness))];
  }

  async unwarned(): Promise<string[]> {
    const harness = openEngine(this.#conformance.type, this.#conformance.harness);
    const failures: string[] = [];
    for (const sample of this.#conformance.samples) {
      const reply = await run(harness, { ...sample, data: { ...sample.data, no_such_parameter: 1 } });
      const told = reply?.warnings?.some((warning) => warning.includes('[no_such_parameter]')) ?? false;
      const expected = !this.#table.match(sample.path)?.path.freeForm;
      if (told !== expected) failures.push(`${sample.path}: ${told ? 'a warning' : 'no warning'}`);
    }
    return failures;
  }

  async shownSecrets(): Promise<string[]> {
    const secrets = this.#conformance.samples.flatMap(({ path, data = {} }) => {
      const fields = this.#table.match(path)?.path.fields ?? {};
      return Object.entries(data).filter(([fieldName]) => fields[fieldName]?.secret);
    });
    const replies = await this.#queried(await this.opened());
    return secrets.flatMap(([fieldName, secret]) =>
      [...replies]
        .filter(([, json]) => json.includes(JSON.stringify(secret)))
        .map(([request]) => `${request} shows ${fieldName}`),
    );
  }

  async brokenLists(): Promise<string[]> {
    const harness = await this.opened();
    const failures: string[] = [];
    for (const path of this.#paths.filter(({ operations }) => operations.list && !operations.list.outside)) {
      for (const where of this.#listed(path)) {
        const all = await harness.list(where);
        const walked: string[] = [];
        for (let after: string | undefined; walked.length <= all.length; after = walked.at(-1)) {
          const page = await harness.list(where, after === undefined ? { limit: 1 } : { limit: 1, after });
          if (page.length === 0) break;
          walked.push(...page);
        }
        if (all.join('\n') !== walked.join('\n'))
          failures.push(`list ${where}: ${all} in pages is ${walked}`);
      }
    }
    return failures;
  }

  async lost(): Promise<string[]> {
    const harness = await this.opened();
    const before = await this.#queried(harness);
    const after = await this.#queried(await harness.reopen());
    return [...before]
      .filter(([request, json]) => after.get(request) !== json)
      .map(([request, json]) => `${request} gave ${json}, then ${after.get(request)}`);
  }

  /** What every read and list gives, as JSON. */
  async #queried(harness: Harness): Promise<Map<string, string>> {
    const replies = new Map<string, string>();
    for (const path of this.#paths) {
      if (this.#conformance.unstable?.includes(path.pattern)) continue;
      for (const operation of this.#operations(path).filter((name) =>
        QUERIES.some((query) => query === name),
      )) {
        for (const where of this.#concrete(path)) {
          const reply = await run(harness, { path: where, operation }).catch(ifRefused);
          replies.set(`${operation} ${where}`, JSON.stringify(reply ?? null));
        }
      }
    }
    return replies;
  }

  /** After an attack the mount must still take its samples, and nothing global may have changed. */
  async #harm(harness: Harness): Promise<string[]> {
    const failures: string[] = [];
    for (const sample of this.#conformance.samples)
      failures.push(...(await rawFailure(harness, sample, 'again')));
    if ('polluted' in {}) failures.push('the prototype of all objects was changed');
    return failures;
  }

  #operations(path: EnginePath): Operation[] {
    return Object.entries(path.operations)
      .filter(([, spec]) => !spec.outside || this.#conformance.outside)
      .map(([name]) => (name === 'write' ? 'update' : (name as Operation)));
  }

  /** Request paths for a pattern: its samples', and those made of what placeholders stand for elsewhere. */
  #concrete(path: EnginePath): string[] {
    const names = captureNames(path.pattern);
    const sampled = (this.#sampled.get(path) ?? []).map((sample) => sample.path);
    const filled = this.#captures
      .filter((captures) => names.every((placeholder) => Object.hasOwn(captures, placeholder)))
      .map((captures) => this.#filled(path, captures));
    const all = [...new Set([...sampled, ...filled])];
    return all.length > 0 ? all : [this.#filled(path, {})];
  }

  #filled(path: EnginePath, captures: Readonly<Record<string, string>>): string {
    return path.pattern.replaceAll(/\{(\w+)(?:\.\.\.|\+)?\}/g, (_, placeholder: string) =>
      Object.hasOwn(captures, placeholder) ? captures[placeholder]! : 'sample',
    );
  }

  /** A body that the path takes. */
  #data(path: EnginePath): UnknownRecord {
    return this.#sampled.get(path)?.[0]?.data ?? {};
  }

  /** For a list over a tree: its root and the samples' folders. */
  #listed(path: EnginePath): string[] {
    const concrete = this.#concrete(path);
    if (!path.pattern.endsWith('...}')) return concrete;
    const root = path.pattern.slice(0, path.pattern.lastIndexOf('{'));
    return [...new Set([root, ...concrete.map((where) => where.slice(0, where.lastIndexOf('/') + 1))])];
  }
}

function run(harness: Harness, sample: Sample): Promise<Reply | undefined> {
  return harness.request(sample.operation ?? 'update', sample.path, sample.data);
}

/** Empty when the request succeeded with JSON or was refused with an error of ours. */
async function rawFailure(harness: Harness, sample: Sample, what: string): Promise<string[]> {
  try {
    JSON.stringify((await run(harness, sample))?.data);
    return [];
  } catch (error) {
    if (error instanceof CofferError) return [];
    const shown = `${sample.operation ?? 'update'} ${sample.path.slice(0, 60)}`;
    return [`${shown}, ${what}: ${error instanceof Error ? error.stack : String(error)}`];
  }
}

function ifRefused(error: unknown): Reply {
  if (error instanceof CofferError) return { data: { refused: error.code } };
  throw error;
}

/** Also for `__proto__`, which assignment would lose. */
function withMember(data: UnknownRecord, member: string, value: unknown): UnknownRecord {
  return Object.fromEntries([...Object.entries(data), [member, value]]);
}
