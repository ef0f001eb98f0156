import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { pageFields } from '../engine/paging.ts';
import { listReply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { shownLoaded } from '../snapshots/loaded.ts';
import { recoverMount, recoverSecret } from '../snapshots/recovery.ts';
import type { SystemParts } from './parts.ts';

const SNAPSHOT = 'storage/raft/snapshot';
const SNAPSHOT_FORCE = 'storage/raft/snapshot-force';
const SNAPSHOT_LOAD = 'storage/raft/snapshot-load';

/** Paths after `/v1/` whose body is a file of any length. */
export const UPLOAD_PATHS: ReadonlySet<string> = new Set(
  [SNAPSHOT, SNAPSHOT_FORCE, SNAPSHOT_LOAD].map((path) => `sys/${path}`),
);

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

/** `sys/storage/raft/snapshot-load*` and `sys/storage/snapshot/recover`: single secrets and mounts out of a snapshot. */
export function recoveryPaths(parts: SystemParts): EnginePath[] {
  const { loaded } = parts;
  return [
    systemPath({
      pattern: SNAPSHOT_LOAD,
      summary: 'Loads a snapshot beside what is served, so that single things of it can be brought back.',
      description:
        'The body is the file. One at a time, for three days at most, and not over a restart. It must be of the keys that this server has.',
      sudo: true,
      fields: pageFields,
      operations: {
        list: { handler: () => listReply(loaded.ids()) },
        write: {
          outside: true,
          handler: async (context) => ({ data: shownLoaded(await loaded.load(uploaded(context))) }),
        },
      },
    }),
    systemPath({
      pattern: `${SNAPSHOT_LOAD}/{snapshot_id}`,
      summary: 'A loaded snapshot.',
      sudo: true,
      fields: { snapshot_id: snapshotId },
      operations: {
        read: { handler: (_, input) => ({ data: shownLoaded(loaded.get(input.snapshot_id)) }) },
        delete: {
          handler(_, input) {
            loaded.unload(input.snapshot_id);
            return undefined;
          },
        },
      },
    }),
    recoverPath(parts),
  ];
}

const snapshotId = text({ description: 'The loaded snapshot.', required: true });

function recoverPath({ loaded, recovery }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'storage/snapshot/recover',
    summary: 'Brings one secret or one secrets mount back from a loaded snapshot.',
    description:
      'A secret of key/value version 2 comes back as one more version. A mount takes the place of the one at its path, which must have no leases.',
    sudo: true,
    fields: {
      snapshot_id: snapshotId,
      path: text({ description: 'The secret, as the API has it: secret/data/app for version 2.' }),
      as: text({ description: 'Another path of the same mount to write it to.', default: '' }),
      mount: text({ description: 'A whole mount instead.' }),
    },
    operations: {
      write: {
        outside: true,
        async handler(context, { snapshot_id, path = '', as, mount = '' }) {
          if ((path === '') === (mount === '')) throw new InvalidRequest('give either path or mount');
          const snapshot = loaded.get(snapshot_id);
          if (path !== '') {
            const data = recoverSecret(recovery, snapshot, context.session, { path, as });
            return data && { data };
          }
          const data = await recoverMount(recovery, snapshot, mount);
          if (data.damaged > 0)
            context.warn(`${data.damaged} damaged records were left out; the server log has their names`);
          return { data };
        },
      },
    },
  });
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
