import { type Block, blocks, type HclObject } from '../hcl/hcl.ts';
import { type Environment, environmentValue } from './environment.ts';
import {
  attempt,
  boolean,
  count,
  field,
  milliseconds,
  readFields,
  scalarText,
  text,
  type Values,
} from './fields.ts';
import type { Scope } from './findings.ts';

export type SealKind = 'shamir' | 'static' | 'transit' | 'awskms' | 'gcpckms' | 'azurekeyvault' | 'pkcs11';

/** A `seal` stanza. Options keep their wire names and are text. */
export interface SealConfig extends Values<typeof COMMON_FIELDS> {
  readonly kind: SealKind;
  /** The kind, if the stanza gives none. */
  readonly name: string;
  /** Being migrated away from: it still unwraps, and wraps nothing new. */
  readonly disabled: boolean;
  readonly options: Readonly<Record<string, string>>;
}

const COMMON_FIELDS = {
  name: field('name', text),
  disabled: field('disabled', boolean),
  /** The lowest is tried first. */
  priority: field('priority', count),
  health_check_enabled: field('healthCheckEnabled', boolean),
  health_check_interval: field('healthCheckIntervalMs', milliseconds),
  health_check_interval_unhealthy: field('healthCheckIntervalUnhealthyMs', milliseconds),
  health_check_timeout: field('healthCheckTimeoutMs', milliseconds),
} as const;

const IGNORED: ReadonlySet<string> = new Set(['purpose']);

interface Kind {
  readonly options: readonly string[];
  readonly required: readonly string[];
  /** Variables of this seal alone, which go before the file. */
  readonly own?: Readonly<Record<string, readonly string[]>>;
  /** Variables that others use too, for what the file leaves out. */
  readonly shared?: Readonly<Record<string, readonly string[]>>;
}

const KIND_TABLE: Readonly<Record<SealKind, Kind>> = {
  shamir: { options: [], required: [] },
  static: {
    options: ['current_key', 'current_key_id', 'previous_key', 'previous_key_id'],
    required: ['current_key', 'current_key_id'],
  },
  transit: {
    options: [
      'address',
      'disable_renewal',
      'key_id_prefix',
      'key_name',
      'mount_path',
      'namespace',
      'tls_ca_cert',
      'tls_client_cert',
      'tls_client_key',
      'tls_server_name',
      'tls_skip_verify',
      'token',
    ],
    required: ['address', 'token', 'key_name', 'mount_path'],
    own: {
      key_name: ['*TRANSIT_SEAL_KEY_NAME'],
      mount_path: ['*TRANSIT_SEAL_MOUNT_PATH'],
      disable_renewal: ['*TRANSIT_SEAL_DISABLE_RENEWAL'],
    },
    shared: {
      address: ['*ADDR'],
      token: ['*TOKEN'],
      namespace: ['*NAMESPACE'],
      tls_ca_cert: ['*CACERT'],
      tls_client_cert: ['*CLIENT_CERT'],
      tls_client_key: ['*CLIENT_KEY'],
      tls_server_name: ['*TLS_SERVER_NAME'],
      tls_skip_verify: ['*SKIP_VERIFY'],
    },
  },
  awskms: {
    options: [
      'access_key',
      'endpoint',
      'kms_key_id',
      'region',
      'secret_key',
      'session_token',
      'shared_creds_filename',
      'shared_creds_profile',
    ],
    required: ['kms_key_id'],
    own: { kms_key_id: ['*AWSKMS_SEAL_KEY_ID'] },
    // Credentials that the file leaves out are looked for by AWS's own client, all of them together.
    shared: { region: ['AWS_REGION', 'AWS_DEFAULT_REGION'], endpoint: ['AWS_KMS_ENDPOINT'] },
  },
  gcpckms: {
    options: ['credentials', 'crypto_key', 'key_ring', 'project', 'region', 'user_agent'],
    required: ['crypto_key', 'key_ring', 'project', 'region'],
    own: { key_ring: ['*GCPCKMS_SEAL_KEY_RING'], crypto_key: ['*GCPCKMS_SEAL_CRYPTO_KEY'] },
    shared: {
      credentials: ['GOOGLE_CREDENTIALS', 'GOOGLE_APPLICATION_CREDENTIALS'],
      project: ['GOOGLE_PROJECT'],
      region: ['GOOGLE_REGION'],
    },
  },
  azurekeyvault: {
    options: ['client_id', 'client_secret', 'environment', 'key_name', 'resource', 'tenant_id', 'vault_name'],
    required: ['key_name', 'vault_name'],
    own: { vault_name: ['*AZUREKEYVAULT_VAULT_NAME'], key_name: ['*AZUREKEYVAULT_KEY_NAME'] },
    shared: {
      tenant_id: ['AZURE_TENANT_ID'],
      client_id: ['AZURE_CLIENT_ID'],
      client_secret: ['AZURE_CLIENT_SECRET'],
      environment: ['AZURE_ENVIRONMENT'],
      resource: ['AZURE_AD_RESOURCE'],
    },
  },
  pkcs11: {
    options: [
      'default_hmac_key_label',
      'default_key_label',
      'disable_software_encryption',
      'force_rw_session',
      'generate_key',
      'hmac_key_id',
      'hmac_key_label',
      'hmac_mechanism',
      'key_id',
      'key_label',
      'lib',
      'max_parallel',
      'mechanism',
      'pin',
      'rsa_encrypt_local',
      'rsa_oaep_hash',
      'slot',
      'software_encryption',
      'token_label',
    ],
    required: ['lib', 'pin'],
    own: {
      lib: ['*HSM_LIB'],
      slot: ['*HSM_SLOT'],
      token_label: ['*HSM_TOKEN_LABEL'],
      pin: ['*HSM_PIN'],
      key_label: ['*HSM_KEY_LABEL'],
      default_key_label: ['*HSM_DEFAULT_KEY_LABEL'],
      key_id: ['*HSM_KEY_ID'],
      mechanism: ['*HSM_MECHANISM'],
      generate_key: ['*HSM_GENERATE_KEY'],
      rsa_encrypt_local: ['*HSM_RSA_ENCRYPT_LOCAL'],
      rsa_oaep_hash: ['*HSM_RSA_OAEP_HASH'],
      force_rw_session: ['*HSM_FORCE_RW_SESSION'],
    },
  },
};

const KINDS: ReadonlyMap<string, Kind & { readonly kind: SealKind }> = new Map(
  Object.entries(KIND_TABLE).map(([kind, known]) => [kind, { ...known, kind: kind as SealKind }]),
);

/** A stanza as its file has it, and where that is. */
export interface SealStanza {
  readonly config: SealConfig;
  readonly block: Block;
  readonly scope: Scope;
}

/** Every seal of a file; none means Shamir. */
export function readSeals(body: HclObject, scope: Scope): SealStanza[] {
  return blocks(body, 'seal', 1).flatMap((block) => {
    const [type = ''] = block.labels;
    const within = scope.inside('seal', type);
    const known = KINDS.get(type);
    if (known) return [{ config: readSeal(known, block, within), block, scope: within }];
    const kinds = [...KINDS.keys()].join(', ');
    within.error(block, `unknown seal type "${type}"; there are ${kinds}`);
    return [];
  });
}

/**
 * The seals of all files with the environment over them, in the order in which they are tried; `VAULT_SEAL_TYPE` stands in
 * for a missing stanza. Where there are several of one kind no variable can mean all of them, so none counts.
 */
export function completeSeals(stanzas: readonly SealStanza[], environment: Environment): SealConfig[] {
  const all = stanzas.length > 0 ? stanzas : environmentSeal(environment);
  const complete = all.map(({ config, block, scope }) => {
    const alone = all.filter((other) => other.config.kind === config.kind).length === 1;
    const { required, ...known } = KINDS.get(config.kind)!;
    const options = alone
      ? { ...valuesOf(known.shared, environment), ...config.options, ...valuesOf(known.own, environment) }
      : config.options;
    for (const key of required)
      if (!options[key] && !config.disabled) scope.inside(key).error(block, 'must be set');
    return { ...config, name: ownName(config, all), options };
  });
  return complete.toSorted((one, other) => (one.priority ?? LAST) - (other.priority ?? LAST));
}

const LAST = Number.MAX_SAFE_INTEGER;

/** Going over to another key of the same kind, people give neither stanza a name. */
function ownName({ name, disabled }: SealConfig, all: readonly SealStanza[]): string {
  const taken = all.some(({ config }) => !config.disabled && config.name === name);
  return disabled && taken ? `${name}-disabled` : name;
}

function environmentSeal(environment: Environment): SealStanza[] {
  const type = environmentValue(environment, ['*SEAL_TYPE']);
  if (!type) return [];
  const known = KINDS.get(type.value.value);
  const nowhere = { line: 0, column: 0 };
  const block: Block = { labels: [], body: { kind: 'object', entries: [], ...nowhere }, ...nowhere };
  if (known) return [{ config: readSeal(known, block, type.scope), block, scope: type.scope }];
  type.scope.error(
    undefined,
    `unknown seal type "${type.value.value}"; there are ${[...KINDS.keys()].join(', ')}`,
  );
  return [];
}

function valuesOf(variables: Kind['own'], environment: Environment): Record<string, string> {
  const found = Object.entries(variables ?? {}).map(
    ([key, names]) => [key, environmentValue(environment, names)] as const,
  );
  return Object.fromEntries(found.flatMap(([key, given]) => (given ? [[key, given.value.value]] : [])));
}

function readSeal(known: Kind & { kind: SealKind }, block: Block, scope: Scope): SealConfig {
  const isOption = (key: string) => known.options.includes(key);
  const values = readFields(block.body, COMMON_FIELDS, scope, {
    blocks: known.options,
    ignored: IGNORED,
  });
  const options: Record<string, string> = Object.create(null);
  for (const { key, value } of block.body.entries.filter((entry) => isOption(entry.key))) {
    attempt(scope.inside(key), value, () => {
      options[key] = scalarText(value);
    });
  }
  const halves = ['previous_key', 'previous_key_id'].filter((key) => options[key] !== undefined);
  if (halves.length === 1)
    scope.inside(halves[0]!).error(block, 'previous_key and previous_key_id go together');
  return {
    ...values,
    kind: known.kind,
    name: values.name ?? known.kind,
    disabled: values.disabled ?? false,
    options,
  };
}
