import { InvalidRequest, NotFound } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { parseDuration } from '../../engine/duration.ts';
import { path, type WorkContext } from '../../engine/engine.ts';
import { restOfPath } from '../../engine/fields.ts';
import { pageFromData } from '../../engine/paging.ts';
import { listReply } from '../../engine/reply.ts';
import { folderOf, scan, visibility } from './listing.ts';
import { type RecoveredSecret, secretPath } from './records.ts';

/** Version 1: one record per secret, its data as sent. */
export const PLAIN = 'plain/';

export const plainPath = path({
  pattern: '{path...}',
  summary: 'Writes, reads, lists and deletes secrets.',
  description:
    'A write replaces what was there. A key called `ttl` is shown as lease_duration: how soon a reader should look again. Lists take `after` and `limit`.',
  fields: { path: restOfPath('Where the secret lies.') },
  freeForm: true,
  exists: ({ view }, input) => view.get(PLAIN + input.path) !== undefined,
  operations: {
    read: {
      handler({ view, mount }, input) {
        const data = view.get<UnknownRecord>(PLAIN + secretPath(input.path));
        if (!data) throw new NotFound();
        return { data, leaseDuration: readAgainSeconds(data) ?? mount.defaultLeaseTtl };
      },
    },
    write: {
      handler({ view, request }, input) {
        if (Object.keys(request.data).length === 0) throw new InvalidRequest('missing data fields');
        view.put(PLAIN + secretPath(input.path), request.data);
        return undefined;
      },
    },
    delete: {
      handler({ view }, input) {
        view.delete(PLAIN + secretPath(input.path));
        return undefined;
      },
    },
    list: {
      handler: ({ view, request }, input) =>
        listReply(view.list(PLAIN + folderOf(input.path), pageFromData(request.data))),
    },
    scan: {
      handler(context, input) {
        const sees = visibility(context, { folders: '', secrets: [''] });
        const page = pageFromData(context.request.data);
        return listReply(scan(context, { prefix: PLAIN, folder: folderOf(input.path), page, sees }));
      },
    },
  },
});

export function recoverPlain({ view }: WorkContext, { from, path, as }: RecoveredSecret): undefined {
  const data = from.get<UnknownRecord>(PLAIN + secretPath(path));
  if (!data) throw new NotFound();
  view.put(PLAIN + secretPath(as), data);
}

/** What the secret says of itself; anything but a positive duration says nothing. */
function readAgainSeconds(data: UnknownRecord): number | undefined {
  const said = Object.hasOwn(data, 'ttl') ? data.ttl : Object.hasOwn(data, 'lease') ? data.lease : undefined;
  if (said === undefined) return undefined;
  try {
    const seconds = parseDuration(said);
    return seconds > 0 ? seconds : undefined;
  } catch {
    return undefined;
  }
}
