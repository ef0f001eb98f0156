import type { View } from '../../barrier/view.ts';
import { CofferError, InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { turn } from '../../base/turn.ts';
import type {
  EnginePath,
  OperationName,
  OperationSpec,
  RequestContext,
  WorkContext,
} from '../../engine/engine.ts';
import type { Fields } from '../../engine/fields.ts';
import { PLAIN } from './plain.ts';
import { newSecret, writeSecret, writeVersion } from './records.ts';

/** Secrets moved between two commits. */
const SLICE = 200;
/** Tells that the move has ended though some secrets could not be moved. */
const ENDED = 'upgrade-ended';

/**
 * A mount that was version 1 has records of that kind; each is moved to version 2 in one step with its removal, so a
 * crash at any moment loses nothing and the work goes on where it stopped. Until it is done the mount serves nothing.
 */
export class Upgrade {
  #done = false;

  /** The path, answering only once all secrets are moved. */
  guard(path: EnginePath): EnginePath {
    const operations: Partial<Record<OperationName, OperationSpec<Fields>>> = {};
    for (const [name, spec] of Object.entries(path.operations)) {
      operations[name as OperationName] = {
        ...spec,
        handler: (context, input) => {
          this.#check(context);
          return spec.handler(context, input);
        },
      };
    }
    return { ...path, operations };
  }

  async run(context: WorkContext): Promise<void> {
    let after: string | undefined;
    let failures = 0;
    while (!this.#isDone(context.view)) {
      const keys = [...context.view.keys(PLAIN, { after, limit: SLICE })];
      for (const key of keys) failures += move(context, key) ? 0 : 1;
      after = keys.at(-1);
      if (after === undefined) context.view.put(ENDED, { failures });
      await context.persist();
      await turn();
    }
  }

  /** What is stored may have changed (restore). */
  forget(): void {
    this.#done = false;
  }

  #check({ view }: RequestContext): void {
    if (this.#isDone(view)) return;
    throw new InvalidRequest(
      'Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will resume service shortly.',
    );
  }

  #isDone(view: View): boolean {
    if (!this.#done) {
      const [left] = view.keys(PLAIN, { limit: 1 });
      this.#done = left === undefined || view.get(ENDED) !== undefined;
    }
    return this.#done;
  }
}

/** False when the record is damaged or does not fit: it stays where it is, and the others go on. */
function move({ view, clock, log }: WorkContext, key: string): boolean {
  const where = key.slice(PLAIN.length);
  const nowMs = clock.now();
  try {
    const data = view.get<UnknownRecord>(key) ?? {};
    writeVersion(view, where, 1, { createdAtMs: nowMs, deletionAtMs: null, destroyed: false, data });
    writeSecret(view, where, { ...newSecret(nowMs), currentVersion: 1 });
    view.delete(key);
    return true;
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    log.error('a secret could not be moved to version 2 and is left out', { path: where, error });
    return false;
  }
}
