import { type EnginePath, type PeriodicWork, path, type WorkContext } from '../../engine/engine.ts';
import { sweepSecretIds } from './secret-ids.ts';

/** Removed at a time, so that clean-up never holds other requests up. */
const SLICE = 500;
const EVERY_SECONDS = 60;

/** Removes secret-ids that expired or lost their role, slice by slice. */
export const tidyWork: PeriodicWork = {
  name: 'tidy-secret-ids',
  everySeconds: EVERY_SECONDS,
  async run(context: WorkContext): Promise<void> {
    let removed = 0;
    for (;;) {
      const swept = sweepSecretIds(context.view, context.clock.now(), SLICE);
      removed += swept;
      if (swept < SLICE) break;
      await context.persist();
    }
    if (removed > 0) context.log.info('removed expired and orphaned secret-ids', { count: removed });
  },
};

export function tidyPath(): EnginePath {
  return path({
    pattern: 'tidy/secret-id',
    summary: 'Removes expired secret-ids at once; it also happens by itself.',
    fields: {},
    operations: {
      write: {
        handler({ view, clock, log }) {
          // The rest, if any, goes with the next periodic run.
          const count = sweepSecretIds(view, clock.now(), SLICE);
          log.info('tidy of secret-ids was asked for', { count });
          return {
            status: 202,
            warnings: [
              "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.",
            ],
          };
        },
      },
    },
  });
}
