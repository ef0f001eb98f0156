import type { Clock } from '../../base/clock.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { isPromise } from '../../base/promise.ts';
import { turn } from '../../base/turn.ts';
import type { RequestContext } from '../../engine/engine.ts';
import { any, type Fields, type Input, integer, parseInput, text } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';

/** What every path that takes many items at once has beside its own fields. */
export const batchFields = {
  batch_input: any({
    description:
      'A list of items to work on at once; what stands beside it in the request is then left aside.',
  }),
};
export const partialFailureField = integer({
  description: 'The status code when some items of a batch fail; 400 if not given.',
});
/** Comes back with the item's result. */
export const reference = text({ description: 'Any text; it comes back with the result of this item.' });

/** How long a batch may keep other requests waiting at a time. */
const SLICE_MS = 8;
/** Items that are in the thread pool at the same time. */
const POOLED = 32;

type Outcome = UnknownRecord | { readonly error: string };

export interface BatchOptions<F extends Fields> {
  /** The fields of one item. */
  readonly fields: F;
  /** What the request says outside the batch; it is the only item where there is no batch. */
  readonly single: Input<F>;
  readonly batch: unknown;
  readonly partialFailureCode?: number | undefined;
  /** The result of one item. Throws `InvalidRequest` for what is wrong with it. */
  work(item: Input<F>): UnknownRecord | Promise<UnknownRecord>;
}

/** Works on the one item of a request or on all of its batch, and makes the reply of it. */
export function runBatch<F extends Fields>(
  context: Pick<RequestContext, 'clock'>,
  options: BatchOptions<F>,
): Reply | Promise<Reply> {
  const { batch, single, work, partialFailureCode } = options;
  checkStatus(partialFailureCode);
  if (batch === undefined || batch === null) {
    const result = work(single);
    return isPromise(result) ? result.then((data) => ({ data })) : { data: result };
  }
  const items = batchItems(batch);
  const outcomes = runItems(context.clock, items, (item) => {
    const result = work(parseInput(options.fields, item));
    return isPromise(result) ? result.then((late) => withReference(item, late)) : withReference(item, result);
  });
  return isPromise(outcomes)
    ? outcomes.then((all) => batchReply(all, partialFailureCode))
    : batchReply(outcomes, partialFailureCode);
}

/** The items of a batch, which may have come as JSON text. Throws `InvalidRequest`. */
export function batchItems(batch: unknown): readonly UnknownRecord[] {
  const items = typeof batch === 'string' ? parsed(batch) : batch;
  if (!Array.isArray(items) || !items.every(isRecord))
    throw new InvalidRequest('failed to parse batch input: it must be a list of objects');
  if (items.length === 0) throw new InvalidRequest('missing batch input to process');
  return items;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withReference(item: UnknownRecord, result: UnknownRecord): UnknownRecord {
  return typeof item.reference === 'string' ? { ...result, reference: item.reference } : result;
}

function batchReply(outcomes: readonly Outcome[], partialFailureCode: number | undefined): Reply {
  const failed = outcomes.reduce((count, outcome) => count + ('error' in outcome ? 1 : 0), 0);
  const data = { batch_results: outcomes };
  if (failed === 0) return { data };
  return { data, status: failed < outcomes.length ? (partialFailureCode ?? 400) : 400 };
}

/** These come without a body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

function checkStatus(code: number | undefined): void {
  if (code !== undefined && (code < 200 || code > 599 || BODILESS.has(code)))
    throw new InvalidRequest('partial_failure_response_code must be a status code of 200 to 599 with a body');
}

type Work = (item: UnknownRecord) => UnknownRecord | Promise<UnknownRecord>;

/** In the order of the items. Asynchronous as soon as one item is, or when it takes long. */
function runItems(
  clock: Clock,
  items: readonly UnknownRecord[],
  work: Work,
): readonly Outcome[] | Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const startedMs = clock.monotonic();
  for (const item of items) {
    const outcome = outcomeOf(item, work);
    if (isPromise(outcome) || clock.monotonic() - startedMs > SLICE_MS)
      return runRest(clock, items, work, [...outcomes, outcome]);
    outcomes.push(outcome);
  }
  return outcomes;
}

async function runRest(
  clock: Clock,
  items: readonly UnknownRecord[],
  work: Work,
  begun: (Outcome | Promise<Outcome>)[],
): Promise<readonly Outcome[]> {
  let startedMs = clock.monotonic();
  for (let at = begun.length; at < items.length; at++) {
    // The one that began POOLED items ago is over before the next begins.
    const earlier = begun[at - POOLED];
    if (isPromise(earlier)) await earlier;
    begun.push(outcomeOf(items[at]!, work));
    if (clock.monotonic() - startedMs <= SLICE_MS) continue;
    await turn();
    startedMs = clock.monotonic();
  }
  return Promise.all(begun);
}

/** What is wrong with an item fails it alone; anything else fails the request. */
function outcomeOf(item: UnknownRecord, work: Work): Outcome | Promise<Outcome> {
  try {
    const result = work(item);
    if (!isPromise(result)) return result;
    const outcome = result.catch((error) => failure(item, error));
    // A defect fails the request when its turn comes; until then nobody listens.
    outcome.catch(() => {});
    return outcome;
  } catch (error) {
    return failure(item, error);
  }
}

function failure(item: UnknownRecord, error: unknown): Outcome {
  if (!(error instanceof InvalidRequest)) throw error;
  return withReference(item, { error: error.message });
}
