import {
  apiDuration,
  duration,
  type FlagValues,
  integer,
  optionalBoolean,
  pairs,
  string,
  strings,
} from './flags.ts';

/** Settings of a mount that can be given when it is enabled and tuned later. */
export const mountConfigFlags = {
  description: string({ usage: 'What it is for.' }),
  'default-lease-ttl': duration({ usage: 'How long what it issues lives without renewal.' }),
  'max-lease-ttl': duration({
    usage: 'How long what it issues lives at most; may exceed the system’s maximum.',
  }),
  'force-no-cache': optionalBoolean({ usage: 'Do not cache what it reads.' }),
  'audit-non-hmac-request-keys': strings({
    usage: 'Name of a request field to log in the clear; may be given several times.',
  }),
  'audit-non-hmac-response-keys': strings({
    usage: 'Name of a reply field to log in the clear; may be given several times.',
  }),
  'listing-visibility': string({
    usage: 'Whether the listing for logins shows it.',
    values: ['unauth', 'hidden'],
  }),
  'passthrough-request-headers': strings({
    usage: 'Request header that it may see; may be given several times.',
  }),
  'allowed-response-headers': strings({ usage: 'Reply header that it may set; may be given several times.' }),
  'allowed-managed-keys': strings({ usage: 'Managed key that it may use; may be given several times.' }),
  'delegated-auth-accessors': strings({
    usage: 'Accessor of an auth method to which it may hand over logins; may be given several times.',
  }),
  'identity-token-key': string({ usage: 'Key that signs its identity tokens.' }),
  'token-type': string({ usage: 'Kind of token that logins give.' }),
  'plugin-version': string({ usage: 'Version of the plugin.' }),
  'plugin-name': string({ usage: 'Name of the plugin, for the type "plugin".' }),
  options: pairs({ usage: 'Option of its type; may be given several times.' }),
  version: integer({ usage: 'Version of the engine, for the types that have several.' }),
};

export const tuneFlags = {
  ...mountConfigFlags,
  'user-lockout-threshold': integer({ usage: 'Number of failed logins that lock a user out.' }),
  'user-lockout-duration': duration({ usage: 'How long a user is locked out.' }),
  'user-lockout-counter-reset-duration': duration({
    usage: 'Time without failures after which they are forgotten.',
  }),
  'user-lockout-disable': optionalBoolean({ usage: 'Never lock users out.' }),
};

/** The members of the request, in the names of the API; undefined for what was not given. */
export function configOf(flags: FlagValues<typeof mountConfigFlags>) {
  const list = (values: readonly string[]) => (values.length === 0 ? undefined : values);
  // -1 asks for the system's own time, which the API calls 0.
  const time = (seconds: number | undefined) =>
    seconds === undefined ? undefined : apiDuration(Math.max(0, seconds));
  const options = {
    ...flags.options,
    ...(flags.version !== undefined && { version: String(flags.version) }),
  };
  return {
    description: flags.description,
    default_lease_ttl: time(flags['default-lease-ttl']),
    max_lease_ttl: time(flags['max-lease-ttl']),
    force_no_cache: flags['force-no-cache'],
    audit_non_hmac_request_keys: list(flags['audit-non-hmac-request-keys']),
    audit_non_hmac_response_keys: list(flags['audit-non-hmac-response-keys']),
    listing_visibility: flags['listing-visibility'],
    passthrough_request_headers: list(flags['passthrough-request-headers']),
    allowed_response_headers: list(flags['allowed-response-headers']),
    allowed_managed_keys: list(flags['allowed-managed-keys']),
    delegated_auth_accessors: list(flags['delegated-auth-accessors']),
    identity_token_key: flags['identity-token-key'],
    token_type: flags['token-type'],
    plugin_version: flags['plugin-version'],
    plugin_name: flags['plugin-name'],
    options: Object.keys(options).length === 0 ? undefined : options,
  };
}

/** The lockout of users, which only `tune` sets. */
export function lockoutOf(flags: FlagValues<typeof tuneFlags>) {
  const time = (seconds: number | undefined) => (seconds === undefined ? undefined : apiDuration(seconds));
  const config = {
    lockout_threshold: flags['user-lockout-threshold']?.toString(),
    lockout_duration: time(flags['user-lockout-duration']),
    lockout_counter_reset_duration: time(flags['user-lockout-counter-reset-duration']),
    lockout_disable: flags['user-lockout-disable'],
  };
  return Object.values(config).every((value) => value === undefined) ? undefined : config;
}
