import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { type Input, list, map, pairs, restOfPath, text, withoutTrailingSlash } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply, type Reply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { checkedMetadata, checkedName } from '../namespaces/names.ts';
import { type Namespace, ROOT_ID } from '../namespaces/namespace.ts';
import { mountsOf, type SystemParts } from './parts.ts';

/** A deletion that takes longer goes on after the reply. */
const ANSWER_AFTER_MS = 2000;

/** `sys/namespaces*`: the namespaces below the request's. */
export function namespacePaths(parts: SystemParts): EnginePath[] {
  return [listPath(parts), ...lockPaths(parts), onePath(parts), slashPath()];
}

function listPath({ namespaces }: SystemParts): EnginePath {
  const listed = (
    context: SystemContext,
    found: Iterable<Namespace>,
    input: Input<typeof pageFields>,
  ): Reply => {
    const base = context.namespace.path.length;
    const { after = '', limit = 0 } = pageOf(input);
    const keys: string[] = [];
    const info: UnknownRecord = {};
    for (const namespace of found) {
      const key = namespace.path.slice(base);
      if (key <= after) continue;
      keys.push(key);
      info[key] = shown(namespace);
      if (limit > 0 && keys.length >= limit) break;
    }
    if (keys.length === 0) throw new NotFound();
    return listReply(keys, info);
  };
  return systemPath({
    pattern: 'namespaces',
    summary: 'Lists the namespaces in this one; a scan those in them as well.',
    fields: pageFields,
    operations: {
      list: { handler: (context, input) => listed(context, namespaces.children(context.namespace), input) },
      scan: {
        handler: (context, input) => listed(context, namespaces.descendants(context.namespace), input),
      },
    },
  });
}

function onePath(parts: SystemParts): EnginePath {
  const { namespaces } = parts;
  const path = text({
    description: 'Its name, in this namespace.',
    required: true,
    canonical: withoutTrailingSlash,
  });
  const find = (context: SystemContext, name: string): Namespace => {
    const namespace = namespaces.child(context.namespace, name);
    if (!namespace) throw new NotFound();
    return namespace;
  };
  return systemPath({
    pattern: 'namespaces/{path}',
    summary: 'Creates, shows, changes or deletes a namespace.',
    fields: {
      path,
      custom_metadata: map({ description: 'Text pairs of one’s own; in a patch, null takes one out.' }),
      seal: text({ description: 'Must be empty: namespaces have no seals of their own.' }),
      pgp_keys: list({ description: 'Must be empty, as seal.' }),
    },
    operations: {
      read: {
        handler: (context, input) => ({ data: shown(find(context, input.path)), topLevel: 'also' }),
      },
      write: { handler: (context, input) => create(parts, context, input) },
      patch: {
        handler(context, input) {
          checkUnsealable(input);
          const namespace = find(context, input.path);
          if (namespace.leaving) throw new InvalidRequest(`namespace "${namespace.path}" is being deleted`);
          const changed = { ...namespace.customMetadata, ...input.custom_metadata };
          const kept = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== null));
          const after = namespaces.changeMetadata(context.session, namespace, metadata(kept));
          return { data: shown(after) };
        },
      },
      delete: {
        outside: true,
        async handler(context, input) {
          const namespace = namespaces.child(context.namespace, input.path);
          if (!namespace) return undefined;
          if (!namespace.leaving) {
            if (namespaces.children(namespace).length > 0)
              throw new InvalidRequest(
                `cannot delete namespace "${namespace.path}" containing child namespaces`,
              );
            namespaces.leave(context.session, namespace);
            await context.persist();
          }
          return ended(parts, namespace);
        },
      },
    },
  });
}

/** Nothing when it is gone, else that it goes on: an outside system may take its time. */
async function ended({ namespaceEnding, namespaces, clock }: SystemParts, namespace: Namespace) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ANSWER_AFTER_MS, resolve);
  await Promise.race([namespaceEnding.begin(namespace), promise]);
  cancel();
  return namespaces.byId(namespace.id) ? { data: { status: 'in-progress' } } : undefined;
}

function create(
  parts: SystemParts,
  context: SystemContext,
  input: { path: string; custom_metadata?: UnknownRecord | undefined } & SealInput,
): Reply {
  const { namespaces, policies } = parts;
  checkUnsealable(input);
  const name = checkedName(input.path);
  const customMetadata = metadata(input.custom_metadata ?? {});
  const there = namespaces.child(context.namespace, name);
  if (there?.leaving) throw new InvalidRequest(`namespace "${there.path}" is being deleted`);
  if (there) {
    return {
      data: shown(there),
      warnings: ['The namespace existed already and is as it was; a patch changes its custom metadata.'],
    };
  }
  mountsOf(parts, context).checkFree(`${name}/`);
  const namespace = namespaces.create(context.session, context.namespace, { name, customMetadata });
  policies.initialize(context.session, namespace.id);
  return { data: shown(namespace) };
}

type SealInput = { seal?: string | undefined; pgp_keys?: string[] | undefined };

/** Better refused than ignored: somebody counts on a second seal. */
function checkUnsealable({ seal, pgp_keys: keys }: SealInput): void {
  if (seal || (keys && keys.length > 0))
    throw new InvalidRequest('namespaces with a seal of their own are not supported');
}

/** What the name would have to be under: one creates it from there, with what one may do there. */
function slashPath(): EnginePath {
  const refuse = {
    handler: (_: SystemContext, input: { path: string }): never => {
      checkedName(input.path);
      throw new NotFound();
    },
  };
  return systemPath({
    pattern: 'namespaces/{path...}',
    summary: 'Names of namespaces hold no slash.',
    unlisted: true,
    fields: { path: restOfPath('A path.') },
    operations: { read: refuse, write: refuse, patch: refuse, delete: refuse },
  });
}

function lockPaths({ namespaces }: SystemParts): EnginePath[] {
  const path = restOfPath('A namespace below this one; without it, this one.', {
    canonical: withoutTrailingSlash,
  });
  const target = (context: SystemContext, below: string): Namespace => {
    const namespace = namespaces.below(context.namespace, below);
    if (!namespace || !namespaces.isOpen(namespace)) throw new NotFound();
    if (namespace.id === ROOT_ID) throw new InvalidRequest('root namespace cannot be locked/unlocked');
    return namespace;
  };
  const key = text({
    description: 'What locking it was answered with; root tokens need none.',
    secret: true,
  });
  const lock = (context: SystemContext, input: { path?: string | undefined }): Reply => {
    const unlockKey = namespaces.lock(context.session, target(context, input.path ?? ''));
    return { data: { unlock_key: unlockKey }, topLevel: 'also' };
  };
  const unlock = (
    context: SystemContext,
    input: { path?: string | undefined; unlock_key?: string | undefined },
  ): undefined => {
    const namespace = target(context, input.path ?? '');
    const isRoot = context.token?.namespaceId === undefined && context.token?.policies.includes('root');
    if (!input.unlock_key && !isRoot) throw new InvalidRequest('unlock key must be provided');
    namespaces.unlock(context.session, namespace, input.unlock_key || undefined);
    return undefined;
  };
  return [
    systemPath({
      pattern: 'namespaces/api-lock/lock',
      summary: 'Locks the API of this namespace and of all below it.',
      fields: { path: text({ description: path.description }) },
      operations: { write: { handler: lock } },
    }),
    systemPath({
      pattern: 'namespaces/api-lock/lock/{path...}',
      summary: 'Locks the API of a namespace and of all below it.',
      fields: { path },
      operations: { write: { handler: lock } },
    }),
    systemPath({
      pattern: 'namespaces/api-lock/unlock',
      summary: 'Unlocks the API of this namespace.',
      fields: { path: text({ description: path.description }), unlock_key: key },
      operations: { write: { handler: unlock } },
    }),
    systemPath({
      pattern: 'namespaces/api-lock/unlock/{path...}',
      summary: 'Unlocks the API of a namespace.',
      fields: { path, unlock_key: key },
      operations: { write: { handler: unlock } },
    }),
  ];
}

const pairsOf = pairs({ description: 'Text pairs.' });

function metadata(given: UnknownRecord): Readonly<Record<string, string>> {
  return checkedMetadata((pairsOf.parse(given) as Record<string, string> | undefined) ?? {});
}

function shown({ id, uuid, path, customMetadata, ...state }: Namespace): UnknownRecord {
  return {
    custom_metadata: customMetadata,
    id,
    locked: state.lockedBy !== undefined,
    path,
    tainted: state.leaving ?? false,
    uuid,
  };
}
