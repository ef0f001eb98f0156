import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

const SNAPSHOT = 'storage/raft/snapshot';
const SNAPSHOT_FORCE = 'storage/raft/snapshot-force';

/** Paths after `/v1/` whose body is a file of any length. */
export const UPLOAD_PATHS: ReadonlySet<string> = new Set([`sys/${SNAPSHOT}`, `sys/${SNAPSHOT_FORCE}`]);

/** `sys/storage/raft/snapshot*`, as Vault's clients know them, and `sys/storage/snapshot/*`, what is Coffer's own. */
export function snapshotPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: SNAPSHOT,
      summary: 'Everything the server has, as a file.',
      description:
        'Reading gives a snapshot. Writing one, as the raw body, puts it in the place of everything; nothing expires then until sys/storage/snapshot/confirm is called.',
      fields: {},
      operations: {
        read: { outside: true, activeOnly: true, handler: (context) => save(parts, context) },
        write: { outside: true, handler: (context) => restore(parts, context, { force: false }) },
      },
    }),
    systemPath({
      pattern: SNAPSHOT_FORCE,
      summary: 'As writing to sys/storage/raft/snapshot, also for a snapshot of other unseal keys.',
      fields: {},
      operations: {
        write: { outside: true, handler: (context) => restore(parts, context, { force: true }) },
      },
    }),
    systemPath({
      pattern: 'storage/snapshot/confirm',
      summary: 'After a restore: whether nothing expires yet, and the word that it may again.',
      description:
        'A restored server knows of leases that may belong to somebody else by now, so it ends none of them by itself until this is written.',
      fields: {},
      operations: {
        read: { outside: true, handler: async () => ({ data: await parts.restored.status() }) },
        write: {
          outside: true,
          async handler() {
            await parts.restored.confirm();
            return undefined;
          },
        },
      },
    }),
  ];
}

async function save({ snapshots, log }: SystemParts, { request }: SystemContext) {
  if (request.wrapTtl > 0) throw new InvalidRequest('a snapshot cannot be wrapped');
  const { meta, body } = await snapshots.take();
  log.info('taking a snapshot', { revision: meta.revision });
  const name = `coffer-${meta.created_at.replace(/[:.].*$/, '').replace('T', '-')}.snap`;
  return {
    headers: { 'Content-Disposition': `attachment; filename="${name}"` },
    stream: { contentType: 'application/gzip', body },
  };
}

/** The caller hears of it when the restored records are served, or the server has sealed itself over them. */
async function restore(parts: SystemParts, context: SystemContext, options: { force: boolean }) {
  const { snapshots, lifecycle, log } = parts;
  const staged = await snapshots.stage(uploaded(context), options);
  return {
    status: 204,
    last: async () => {
      log.warn('restoring a snapshot: everything that came after it is gone', {
        created_at: staged.meta.created_at,
        cluster_id: staged.meta.cluster_id,
        revision: staged.meta.revision,
      });
      await lifecycle.reopen(() => snapshots.adopt(staged));
      await lifecycle
        .unsealAutomatically()
        .catch((error) => log.warn('the restored server could not be unsealed by itself', { error }));
    },
  };
}

function uploaded({ upload, bytes }: SystemContext): AsyncIterable<Uint8Array> {
  if (upload) return upload;
  if (!bytes) throw new InvalidRequest('the body must be a snapshot');
  return (async function* () {
    yield bytes;
  })();
}
