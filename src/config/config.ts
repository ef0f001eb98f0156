/**
 * Server configuration: Vault's files in HCL or JSON, several of them merged in order, with the environment over them,
 * as one typed and checked object. This folder owns names, types and defaults of the configuration; it opens nothing
 * that the configuration names.
 */

import { HclError, type HclObject, parseHcl } from '../hcl/hcl.ts';
import { type Environment, environmentValue } from './environment.ts';
import { readFields, readValue } from './fields.ts';
import { type ConfigFiles, readConfigFiles, systemFiles } from './files.ts';
import { ConfigError, type Finding, Scope } from './findings.ts';
import { type ListenerConfig, readListeners } from './listeners.ts';
import { completeSeals, readSeals, type SealConfig, type SealStanza } from './seals.ts';
import {
  type AuditConfig,
  type OverloadConfig,
  readAudits,
  readOverload,
  readTelemetry,
  readUserLockouts,
  type TelemetryConfig,
  type UserLockoutConfig,
} from './stanzas.ts';
import { readStorage, type StorageConfig } from './storage.ts';
import {
  IGNORED_FIELDS,
  REFUSED_FIELDS,
  STANZAS,
  TOP_DEFAULTS,
  TOP_ENVIRONMENT,
  TOP_FIELDS,
  type TopConfig,
  type TopValues,
} from './top.ts';

export { ConfigError, type Finding, formatFinding } from './findings.ts';
export type { ListenerConfig, ResponseHeaders } from './listeners.ts';
export type { SealConfig, SealKind } from './seals.ts';
export type { AuditConfig, OverloadConfig, TelemetryConfig, UserLockoutConfig } from './stanzas.ts';
export type { StorageConfig, StorageKind, StorageOf } from './storage.ts';

export interface ServerConfig extends TopConfig {
  readonly storage: StorageConfig | undefined;
  readonly haStorage: StorageConfig | undefined;
  readonly listeners: readonly ListenerConfig[];
  /** In the order in which they are tried; empty: Shamir. */
  readonly seals: readonly SealConfig[];
  readonly audits: readonly AuditConfig[];
  /** By auth method and `all`; a method's own values count before those of `all`. */
  readonly userLockouts: ReadonlyMap<string, UserLockoutConfig>;
  readonly telemetry: TelemetryConfig;
  readonly overload: OverloadConfig;
}

export interface LoadOptions {
  /** Files, or folders whose `.hcl` and `.json` files are read in the order of their names. */
  readonly paths: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of a file; throws when it cannot be read. */
  readonly readFile?: ConfigFiles['readFile'];
  /** The names in a folder; undefined when the path is no folder. */
  readonly listFolder?: ConfigFiles['listFolder'];
  /** A development server brings its own storage and listener; everybody else must set them. */
  readonly partial?: boolean;
}

export interface Loaded {
  readonly config: ServerConfig;
  readonly warnings: readonly Finding[];
}

/**
 * Reads and checks the configuration. Of single values the last file's counts; listeners, seals and audit devices add
 * up; the environment goes over both. Throws `ConfigError` with everything found when there is an error among it.
 */
export function loadConfig(options: LoadOptions): Loaded {
  const { paths, environment: variables, readFile, listFolder, partial = false } = options;
  const findings: Finding[] = [];
  const environment: Environment = { variables, findings };
  const files = readConfigFiles(
    paths,
    { ...systemFiles, ...(readFile && { readFile }), ...(listFolder && { listFolder }) },
    findings,
  );
  const parts = files.flatMap(({ path, text }) => {
    const scope = new Scope(path, findings);
    const body = guarded(scope, () => parseHcl(text));
    return body ? [readPart(body, scope, environment)] : [];
  });
  const config = merged(parts, environment);
  checkWhole(config, new Scope(paths.join(', ') || 'configuration', findings), partial);
  if (findings.some(({ severity }) => severity === 'error')) throw new ConfigError(findings);
  return { config, warnings: findings };
}

/** What one file says. */
interface Part {
  readonly top: TopValues;
  readonly storage: StorageConfig | undefined;
  readonly haStorage: StorageConfig | undefined;
  readonly listeners: readonly ListenerConfig[];
  readonly seals: readonly SealStanza[];
  readonly audits: readonly AuditConfig[];
  readonly userLockouts: readonly [string, UserLockoutConfig][];
  readonly telemetry: TelemetryConfig;
  readonly overload: OverloadConfig;
}

function readPart(body: HclObject, scope: Scope, environment: Environment): Part {
  const known = { blocks: STANZAS, ignored: IGNORED_FIELDS, refused: REFUSED_FIELDS };
  return {
    top: guarded(scope, () => readFields(body, TOP_FIELDS, scope, known)) ?? {},
    storage: guarded(scope, () => readStorage(body, ['storage', 'backend'], scope, environment)),
    haStorage: guarded(scope, () => readStorage(body, ['ha_storage', 'ha_backend'], scope, environment)),
    listeners: guarded(scope, () => readListeners(body, scope)) ?? [],
    seals: guarded(scope, () => readSeals(body, scope)) ?? [],
    audits: guarded(scope, () => readAudits(body, scope)) ?? [],
    userLockouts: guarded(scope, () => readUserLockouts(body, scope)) ?? [],
    telemetry: guarded(scope, () => readTelemetry(body, scope)) ?? {},
    overload: guarded(scope, () => readOverload(body, scope)) ?? {},
  };
}

/** A stanza of the wrong shape is an error of its own; the other stanzas are read all the same. */
function guarded<T>(scope: Scope, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof HclError)) throw error;
    scope.error(error.position, error.reason);
    return undefined;
  }
}

function merged(parts: readonly Part[], environment: Environment): ServerConfig {
  const top: TopValues = Object.assign({}, ...parts.map((part) => part.top), readTopEnvironment(environment));
  const userLockouts = new Map<string, UserLockoutConfig>();
  for (const [name, values] of parts.flatMap((part) => part.userLockouts)) {
    userLockouts.set(name, { ...userLockouts.get(name), ...values });
  }
  return {
    ...TOP_DEFAULTS,
    ...top,
    storage: parts.findLast((part) => part.storage)?.storage,
    haStorage: parts.findLast((part) => part.haStorage)?.haStorage,
    listeners: parts.flatMap((part) => part.listeners),
    seals: completeSeals(
      parts.flatMap((part) => part.seals),
      environment,
    ),
    audits: parts.flatMap((part) => part.audits),
    userLockouts,
    telemetry: Object.assign({}, ...parts.map((part) => part.telemetry)),
    overload: Object.assign({}, ...parts.map((part) => part.overload)),
  };
}

function readTopEnvironment(environment: Environment): TopValues {
  const values: Record<string, unknown> = {};
  for (const [wireName, variables] of Object.entries(TOP_ENVIRONMENT)) {
    const given = environmentValue(environment, variables);
    const { name, read } = TOP_FIELDS[wireName as keyof typeof TOP_ENVIRONMENT];
    if (given) values[name] = readValue<unknown>(given.scope, given.value, read);
  }
  return values;
}

function checkWhole(config: ServerConfig, scope: Scope, partial: boolean): void {
  if (!partial && !config.storage) scope.inside('storage').error(undefined, 'a storage stanza must be set');
  if (!partial && config.listeners.length === 0) {
    scope.inside('listener').error(undefined, 'at least one listener must be set');
  }
  if (config.defaultLeaseTtlSeconds > config.maxLeaseTtlSeconds) {
    scope.inside('default_lease_ttl').error(undefined, 'must not be larger than max_lease_ttl');
  }
  checkUnique(
    config.audits.map((audit) => audit.path),
    scope.inside('audit'),
    'path of an audit device',
  );
  checkUnique(
    config.listeners.map((listener) => listener.address).filter((one) => !one.endsWith(':0')),
    scope.inside('listener'),
    'address',
  );
  const sealNames = config.seals.filter((seal) => !seal.disabled).map((seal) => seal.name);
  checkUnique(sealNames, scope.inside('seal'), 'name of a seal');
  const enabled = config.seals.filter(({ kind, disabled }) => !disabled && kind !== 'shamir');
  if (enabled.length > 1 && enabled.some(({ priority }) => priority === undefined))
    scope
      .inside('seal')
      .warning(undefined, 'without a priority the seals are tried in the order of the files');
}

function checkUnique(names: readonly string[], scope: Scope, what: string): void {
  for (const name of new Set(names.filter((name, at) => names.indexOf(name) !== at))) {
    scope.error(undefined, `the ${what} "${name}" is set twice`);
  }
}
