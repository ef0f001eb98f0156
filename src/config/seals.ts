import { type Block, blocks, type HclObject } from '../hcl/hcl.ts';
import { attempt, boolean, count, field, readFields, scalarText, text, type Values } from './fields.ts';
import type { Scope } from './findings.ts';

export type SealKind = 'shamir' | 'static' | 'transit' | 'awskms' | 'gcpckms' | 'azurekeyvault' | 'pkcs11';

/** A `seal` stanza. Options keep their wire names and are text. */
export interface SealConfig extends Values<typeof COMMON_FIELDS> {
  readonly kind: SealKind;
  /** The kind, if the stanza gives none. */
  readonly name: string;
  /** Being migrated away from. */
  readonly disabled: boolean;
  readonly options: Readonly<Record<string, string>>;
}

const COMMON_FIELDS = {
  name: field('name', text),
  disabled: field('disabled', boolean),
  priority: field('priority', count),
} as const;

const IGNORED: ReadonlySet<string> = new Set([
  'health_check_enabled',
  'health_check_interval',
  'health_check_interval_unhealthy',
  'health_check_timeout',
  'purpose',
]);

interface Kind {
  readonly options: readonly string[];
  readonly required: readonly string[];
}

const KINDS: ReadonlyMap<string, Kind & { readonly kind: SealKind }> = new Map(
  Object.entries({
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
      required: [],
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
      required: [],
    },
    gcpckms: {
      options: ['credentials', 'crypto_key', 'key_ring', 'project', 'region', 'user_agent'],
      required: [],
    },
    azurekeyvault: {
      options: [
        'client_id',
        'client_secret',
        'environment',
        'key_name',
        'resource',
        'tenant_id',
        'vault_name',
      ],
      required: [],
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
      required: [],
    },
  } satisfies Record<SealKind, Kind>).map(([kind, known]) => [kind, { ...known, kind: kind as SealKind }]),
);

/** Every seal of a file; none means Shamir. */
export function readSeals(body: HclObject, scope: Scope): SealConfig[] {
  return blocks(body, 'seal', 1).flatMap((block) => {
    const [type = ''] = block.labels;
    const known = KINDS.get(type);
    if (known) return [readSeal(known, block, scope.inside('seal', type))];
    const kinds = [...KINDS.keys()].join(', ');
    scope.inside('seal', type).error(block, `unknown seal type "${type}"; there are ${kinds}`);
    return [];
  });
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
  for (const key of known.required) {
    if (!options[key]) scope.inside(key).error(block, 'must be set');
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
