import type { UnknownRecord } from '../../base/json.ts';
import type { RequestContext } from '../../engine/engine.ts';
import type { Input } from '../../engine/fields.ts';
import { type pageFields, pageOf } from '../../engine/paging.ts';
import { listReply, type Reply } from '../../engine/reply.ts';
import { METADATA, readSecret, unlessDamaged } from './records.ts';
import { shownSecret } from './shown.ts';

type ListInput = Input<typeof pageFields> & { path: string };

/** The names directly in a folder. */
export function listMetadata(context: RequestContext, input: ListInput, { detailed = false } = {}): Reply {
  const folder = folderOf(input.path);
  const names = context.view.list(METADATA + folder, pageOf(input));
  return listReply(names, detailed ? details(context, folder, names) : undefined);
}

/** The names of all secrets under a folder, as far as the caller may know them. */
export function scanMetadata(context: RequestContext, input: ListInput, { detailed = false } = {}): Reply {
  const folder = folderOf(input.path);
  const sees = visibility(context, {
    folders: detailed ? 'detailed-metadata/' : METADATA,
    secrets: [METADATA, 'data/'],
  });
  const names = scan(context, { prefix: METADATA, folder, page: pageOf(input), sees });
  return listReply(names, detailed ? details(context, folder, names) : undefined);
}

/** '' or ending in '/'. */
export function folderOf(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}

/** The paths under `prefix` + `folder`, relative to the folder. */
export function scan(
  { view }: RequestContext,
  options: {
    prefix: string;
    folder: string;
    page: { after?: string | undefined; limit?: number | undefined };
    sees: (path: string) => boolean;
  },
): string[] {
  const { prefix, folder, page, sees } = options;
  const base = prefix + folder;
  const after = page.after === undefined ? undefined : base + page.after;
  const names: string[] = [];
  for (const key of view.keys(base, { after })) {
    if (!sees(key.slice(prefix.length))) continue;
    names.push(key.slice(base.length));
    if (names.length === page.limit) break;
  }
  return names;
}

/**
 * Whether the caller may know that a secret exists: it could list or scan the folder, or read the secret. Folders follow
 * one another in a listing, so the last answer is kept.
 */
export function visibility(
  { allowed }: RequestContext,
  paths: { folders: string; secrets: readonly string[] },
): (path: string) => boolean {
  let lastFolder: string | undefined;
  let listed = false;
  return (path) => {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    if (folder !== lastFolder) {
      lastFolder = folder;
      listed = allowed('list', paths.folders + folder) || allowed('scan', paths.folders + folder);
    }
    return listed || paths.secrets.some((prefix) => allowed('read', prefix + path));
  };
}

function details(context: RequestContext, folder: string, names: readonly string[]): UnknownRecord {
  const info: UnknownRecord = Object.create(null);
  for (const name of names) {
    if (name.endsWith('/')) continue;
    const shown = unlessDamaged(context, folder + name, () => detail(context, folder + name));
    if (shown) info[name] = shown;
  }
  return info;
}

function detail({ view }: RequestContext, path: string): UnknownRecord | undefined {
  const secret = readSecret(view, path);
  return secret && shownSecret(view, path, secret);
}
