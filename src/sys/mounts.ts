import { persist } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import { isRecord, type UnknownRecord } from '../base/json.ts';
import { parseDuration } from '../engine/duration.ts';
import type { EnginePath } from '../engine/engine.ts';
import {
  any,
  boolean,
  duration,
  integer,
  list,
  map,
  pairs,
  parseInput,
  restOfPath,
  text,
  withoutTrailingSlash,
} from '../engine/fields.ts';
import type { MountConfig, UserLockout } from '../mounts/entry.ts';
import type { OpenMount } from '../mounts/mounts.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { endMount, withoutLeases } from './mount-ending.ts';
import { mountsOf, type SystemParts } from './parts.ts';

type Kind = 'secret' | 'auth';
/** Throws `InvalidRequest` where there is none. */
type Find = (context: SystemContext, path: string) => OpenMount;

/** `sys/mounts` and `sys/auth`: the same for secrets engines and auth methods. */
export function mountPaths(parts: SystemParts, kind: Kind): EnginePath[] {
  const root = kind === 'auth' ? 'auth' : 'mounts';
  const what = kind === 'auth' ? 'auth method' : 'secrets engine';
  const find: Find = (context, path) => {
    const mount = mountsOf(parts, context).get(`${kind === 'auth' ? 'auth/' : ''}${path}/`);
    // Terraform's provider takes these very words for "it is gone".
    if (!mount)
      throw new InvalidRequest(`No ${kind === 'auth' ? 'auth engine' : 'secret engine mount'} at ${path}/`);
    return mount;
  };
  return [
    systemPath({
      pattern: root,
      summary: `Lists the mounted ${what}s.`,
      fields: {},
      operations: {
        read: {
          handler: (context) => ({
            data: Object.fromEntries(
              mountsOf(parts, context)
                .list(kind)
                .map((mount) => [mount.entry.path, shownMount(mount)]),
            ),
            topLevel: 'also',
          }),
        },
      },
    }),
    tunePath(parts, root, what, find),
    systemPath({
      pattern: `${root}/{path...}`,
      summary: `Enables, shows or disables a ${what}.`,
      sudo: kind === 'auth',
      fields: {
        path: restOfPath('Where to mount it.', { canonical: withoutTrailingSlash }),
        type: text({ description: `Type of the ${what}, such as ${kind === 'auth' ? 'approle' : 'kv'}.` }),
        description: text({ description: 'For humans.', default: '' }),
        config: map({ description: 'Lease times, audit and header settings; as for tune.' }),
        options: pairs({ description: 'Options of the type, such as version=2 for kv.' }),
        local: boolean({ description: 'Not replicated.', default: false }),
        seal_wrap: boolean({ description: 'Kept for compatibility.', default: false }),
        external_entropy_access: boolean({ description: 'Kept for compatibility.', default: false }),
        plugin_name: text({ description: 'Older name for type.' }),
        plugin_version: text({ description: 'Versions of built-in types are not chosen; must be empty.' }),
      },
      operations: {
        read: {
          handler: (context, input) => ({ data: shownMount(find(context, input.path)), topLevel: 'also' }),
        },
        write: {
          handler(context, input) {
            const config = input.config ?? {};
            const type = input.type === 'plugin' ? input.plugin_name : (input.type ?? input.plugin_name);
            if (!type) throw new InvalidRequest('backend type must be specified as a string');
            if (input.plugin_version)
              throw new InvalidRequest('plugin_version cannot be set: the types are built in');
            parts.mounts.enable(context.session, {
              namespace: context.namespace,
              path: input.path,
              class: kind,
              type,
              description: input.description,
              options: input.options ?? optionsOf(config.options),
              config: parseConfig(config),
              local: input.local,
              sealWrap: input.seal_wrap,
              externalEntropyAccess: input.external_entropy_access,
            });
            return undefined;
          },
        },
        delete: {
          outside: true,
          handler: (context, input) => disable(parts, context, input.path, kind),
        },
      },
    }),
  ];
}

const tuneFields = {
  path: text({ description: 'The mount.' }),
  description: text({ description: 'For humans.' }),
  default_lease_ttl: duration({ description: 'Default lease time; 0 takes the server’s.' }),
  max_lease_ttl: duration({ description: 'Longest lease time; 0 takes the server’s.' }),
  audit_non_hmac_request_keys: list({ description: 'Request fields that the audit log shows in clear.' }),
  audit_non_hmac_response_keys: list({ description: 'Reply fields that the audit log shows in clear.' }),
  listing_visibility: text({
    description: 'Whether sys/internal/ui/mounts shows it without a token.',
    choices: ['', 'hidden', 'unauth'],
  }),
  passthrough_request_headers: list({ description: 'Request headers that the type gets to see.' }),
  allowed_response_headers: list({ description: 'Reply headers that the type may set.' }),
  token_type: text({
    description: 'Type of tokens that the auth method’s roles make by default.',
    choices: ['default-service', 'default-batch', 'service', 'batch', 'default'],
  }),
  options: pairs({ description: 'Options of the type.' }),
  user_lockout_config: map({
    description: 'lockout_threshold, lockout_duration, lockout_counter_reset, lockout_disable.',
  }),
  plugin_version: text({ description: 'Must be empty: the types are built in.' }),
  force_no_cache: boolean({ description: 'Kept for compatibility.' }),
  identity_token_key: any({ description: 'Kept for compatibility.' }),
};

function tunePath(parts: SystemParts, root: string, what: string, find: Find): EnginePath {
  return systemPath({
    pattern: `${root}/{path+}/tune`,
    summary: `Shows or changes the settings of a ${what}.`,
    sudo: root === 'auth',
    fields: tuneFields,
    operations: {
      read: {
        handler: (context, input) => ({ data: shownTune(find(context, input.path ?? '')), topLevel: 'also' }),
      },
      write: {
        handler(context, input) {
          const mount = find(context, input.path ?? '');
          if (input.plugin_version)
            throw new InvalidRequest('plugin_version cannot be set: the types are built in');
          const config = { ...mount.entry.config, ...parseConfig(context.request.data) };
          parts.mounts.tune(context.session, mount, {
            config,
            ...(input.description === undefined ? {} : { description: input.description }),
            ...(input.options ? { options: { ...mount.entry.options, ...input.options } } : {}),
          });
          return undefined;
        },
      },
    },
  });
}

function disable(parts: SystemParts, context: SystemContext, path: string, kind: Kind) {
  const mount = mountsOf(parts, context).get(`${kind === 'auth' ? 'auth/' : ''}${path}/`);
  if (!mount) return undefined;
  if (mount.singleton) throw new InvalidRequest(`cannot unmount "${mount.info.path}"`);
  return leaveMount(parts, context, mount);
}

/** Leases first, while the engine is still there to revoke them; then routes, data and record. */
async function leaveMount(parts: SystemParts, context: SystemContext, mount: OpenMount) {
  await withoutLeases(parts, context.session, mount, () => parts.mounts.leave(context.session, mount));
  await persist(context.session);
  await endMount(parts, mount.entry);
  return undefined;
}

/** The settings a request names; the others stay undefined, so that a merge leaves them be. */
function parseConfig(data: UnknownRecord): Partial<MountConfig> {
  const config: { -readonly [K in keyof MountConfig]?: MountConfig[K] } = {};
  for (const name of ['default_lease_ttl', 'max_lease_ttl'] as const) {
    const value = data[name];
    if (value !== undefined && value !== null) config[name] = ttl(name, value);
  }
  for (const name of [
    'audit_non_hmac_request_keys',
    'audit_non_hmac_response_keys',
    'passthrough_request_headers',
    'allowed_response_headers',
  ] as const) {
    if (data[name] !== undefined) config[name] = tuneFields[name].parse(data[name]) as string[];
  }
  if (data.listing_visibility !== undefined)
    config.listing_visibility = tuneFields.listing_visibility.parse(data.listing_visibility) as 'hidden';
  if (data.force_no_cache !== undefined)
    config.force_no_cache = tuneFields.force_no_cache.parse(data.force_no_cache) as boolean;
  if (typeof data.token_type === 'string' && data.token_type !== 'default')
    config.token_type = tuneFields.token_type.parse(data.token_type) as 'batch';
  if (isRecord(data.user_lockout_config)) config.user_lockout_config = parseLockout(data.user_lockout_config);
  return config;
}

function ttl(name: string, value: unknown): number {
  if (value === 'system') return 0;
  try {
    return parseDuration(value);
  } catch {
    throw new InvalidRequest(`unable to parse ${name}`);
  }
}

const lockoutFields = {
  lockout_threshold: integer({ description: 'Failures in a row that lock a name.' }),
  lockout_duration: duration({ description: 'How long it stays locked.' }),
  lockout_counter_reset: duration({
    description: 'After this long without a failure, counting starts over.',
  }),
  lockout_disable: boolean({ description: 'Locks nobody.' }),
};

function parseLockout(data: UnknownRecord): UserLockout {
  const given = Object.entries(parseInput(lockoutFields, data)).filter(([, value]) => value !== undefined);
  const negative = given.find(([, value]) => typeof value === 'number' && value < 0);
  if (negative) throw new InvalidRequest(`${negative[0]} cannot be negative`);
  return Object.fromEntries(given) as UserLockout;
}

function optionsOf(value: unknown): Record<string, string> {
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, String(item)]))
    : {};
}

/** As `sys/mounts` shows one. */
export function shownMount({ entry }: OpenMount): UnknownRecord {
  const { config } = entry;
  return {
    accessor: entry.accessor,
    config: {
      ...shownConfig(config),
      ...(entry.class === 'auth' ? { token_type: config.token_type ?? 'default-service' } : {}),
    },
    deprecation_status: 'supported',
    description: entry.description,
    external_entropy_access: entry.externalEntropyAccess,
    local: entry.local,
    options: Object.keys(entry.options).length > 0 ? entry.options : entry.type === 'kv' ? {} : null,
    plugin_version: '',
    running_plugin_version: '',
    running_sha256: '',
    seal_wrap: entry.sealWrap,
    type: entry.type,
    uuid: entry.uuid,
  };
}

function shownConfig(config: MountConfig): UnknownRecord {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

function shownTune({ entry, info }: OpenMount): UnknownRecord {
  const { default_lease_ttl: _, max_lease_ttl: __, ...rest } = entry.config;
  return {
    ...shownConfig(rest as MountConfig),
    default_lease_ttl: info.defaultLeaseTtl,
    max_lease_ttl: info.maxLeaseTtl,
    description: entry.description,
    ...(Object.keys(entry.options).length > 0 ? { options: entry.options } : {}),
    ...(entry.class === 'auth' ? { token_type: entry.config.token_type ?? 'default-service' } : {}),
  };
}
