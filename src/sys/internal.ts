import { monthStartMs } from '../activity/clients.ts';
import { rfc3339 } from '../base/clock.ts';
import { PermissionDenied } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath } from '../engine/engine.ts';
import { any, boolean, restOfPath } from '../engine/fields.ts';
import { openApiDocument } from '../engine/openapi.ts';
import { aclOfToken } from '../identity/acl.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { isWithin } from '../namespaces/namespace.ts';
import type { Acl } from '../policies/acl.ts';
import { resultantAcl } from '../policies/resultant.ts';
import { namespaceIdOf } from '../tokens/token.ts';
import { shownMount } from './mounts.ts';
import { mountsOf, type SystemParts } from './parts.ts';

/** `sys/internal/*`: what the web interface, the command line and tools ask for. */
export function internalPaths(parts: SystemParts): EnginePath[] {
  return [...uiPaths(parts), ...counterPaths(parts), openApiPath(parts)];
}

function uiPaths(parts: SystemParts): EnginePath[] {
  const viewOf = (context: SystemContext): ViewOfCaller | undefined => {
    const token = parts.tokens.find(context.session, context.tokenText);
    if (token?.numUses !== 0) return undefined;
    if (!parts.tokens.usableFrom(token, context.request.remoteAddress)) return undefined;
    const home = parts.namespaces.byId(namespaceIdOf(token));
    if (!home || !isWithin(context.namespace, home)) return undefined;
    const acl = aclOfToken(parts, context.session, token);
    return { acl, prefix: context.namespace.path.slice(home.path.length) };
  };
  const visible = (mount: OpenMount, view: ViewOfCaller | undefined) =>
    mount.entry.config.listing_visibility === 'unauth' ||
    (view?.acl.grantsUnder(view.prefix + mount.info.path) ?? false);
  return [
    systemPath({
      pattern: 'internal/ui/mounts',
      summary:
        'Lists the mounts that the caller can see; without a token those tuned to be shown to anybody.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler(context) {
            const view = viewOf(context);
            const shown = (kind: 'secret' | 'auth') =>
              Object.fromEntries(
                mountsOf(parts, context)
                  .list(kind)
                  .filter((mount) => visible(mount, view))
                  .map((mount) => [mount.entry.path, view ? shownMount(mount) : briefMount(mount)]),
              );
            return { data: { secret: shown('secret'), auth: shown('auth') } };
          },
        },
      },
    }),
    systemPath({
      pattern: 'internal/ui/mounts/{path...}',
      summary: 'Shows the mount that a path falls under. The command line finds KV versions by it.',
      public: true,
      fields: { path: restOfPath('A path.') },
      operations: {
        read: {
          handler(context, input) {
            const view = viewOf(context);
            const match = mountsOf(parts, context).match(input.path);
            // The same words whether there is a mount or not.
            if (!match || !view || !visible(match.mount, view))
              throw new PermissionDenied(
                `preflight capability check returned 403, please ensure client's policies grant access to path ${JSON.stringify(input.path.endsWith('/') ? input.path : `${input.path}/`)}`,
              );
            return { data: { ...shownMount(match.mount), path: match.mount.info.path } };
          },
        },
      },
    }),
    systemPath({
      pattern: 'internal/ui/resultant-acl',
      summary: 'Shows what the caller’s policies add up to.',
      fields: {},
      operations: {
        read: {
          handler(context) {
            if (!context.token) throw new PermissionDenied();
            return {
              data: { ...resultantAcl(aclOfToken(parts, context.session, context.token)) },
            };
          },
        },
      },
    }),
    systemPath({
      pattern: 'internal/ui/namespaces',
      summary: 'Lists the namespaces that the caller can see.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler(context) {
            const view = viewOf(context);
            if (!view) throw new PermissionDenied();
            const base = context.namespace.path.length;
            const keys = [...parts.namespaces.descendants(context.namespace)]
              .filter((each) => parts.namespaces.isOpen(each))
              .map(({ path }) => path.slice(base))
              .filter((path) => view.acl.grantsUnder(view.prefix + path));
            return { data: { keys } };
          },
        },
      },
    }),
    systemPath({
      pattern: 'internal/ui/feature-flags',
      summary: 'Shows which features are on.',
      public: true,
      fields: {},
      operations: { read: { handler: () => ({ data: { feature_flags: [] }, topLevel: 'only' }) } },
    }),
  ];
}

/** What the caller may, and the way from the token's namespace to the request's. */
interface ViewOfCaller {
  readonly acl: Acl;
  readonly prefix: string;
}

function briefMount({ entry }: OpenMount): UnknownRecord {
  return {
    type: entry.type,
    description: entry.description,
    options: Object.keys(entry.options).length > 0 ? entry.options : null,
  };
}

function counterPaths(parts: SystemParts): EnginePath[] {
  const counter = (name: string, summary: string, read: (context: SystemContext) => unknown) =>
    systemPath({
      pattern: `internal/counters/${name}`,
      summary,
      fields: {},
      operations: { read: { handler: (context) => ({ data: { counters: read(context) } }) } },
    });
  return [
    counter('tokens', 'Counts the service tokens.', (context) => ({
      service_tokens: { total: parts.tokens.accessors(context.session, context.namespace.id).length },
    })),
    counter('entities', 'Counts the entities.', (context) => ({
      entities: { total: parts.identity.count(context.session, context.mount.namespace.id) },
    })),
    counter('requests', 'Counts the requests with a token, by month.', (context) =>
      parts.activity
        .requests(context.session)
        .map(({ month, total }) => ({ start_time: rfc3339(monthStartMs(month)), total })),
    ),
  ];
}

function openApiPath(parts: SystemParts): EnginePath {
  const handler = (context: SystemContext, input: { generic_mount_paths: boolean }) => {
    const acl = context.token && aclOfToken(parts, context.session, context.token);
    if (!acl) throw new PermissionDenied();
    const mounts = [...mountsOf(parts, context).all()].filter(({ info }) =>
      acl.grantsUnder(context.policyPrefix + info.path),
    );
    const document = openApiDocument(
      mounts.map(({ info, engine, singleton }) => ({ ...info, paths: engine?.paths ?? [], singleton })),
      { version: parts.server.version, genericMountPaths: input.generic_mount_paths },
    );
    return { raw: { contentType: 'application/json', body: JSON.stringify(document) } };
  };
  return systemPath({
    pattern: 'internal/specs/openapi',
    summary: 'The OpenAPI document of everything that the caller can see.',
    fields: {
      generic_mount_paths: boolean({ description: 'Mount paths as parameters.', default: false }),
      context: any({ description: 'Kept for compatibility.' }),
    },
    operations: { read: { handler }, write: { handler } },
  });
}
