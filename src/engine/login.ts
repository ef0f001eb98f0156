import { InvalidRequest } from '../base/errors.ts';
import { isCidrOrAddress } from '../crypto/cidr.ts';
import { boolean, duration, type Fields, type Input, integer, list, text } from './fields.ts';

/** Who a login proved someone to be. An auth method never makes a token: the host does, from this. */
export interface IdentityClaim {
  /** The canonical name at this method: lockout, MFA and entity all go by it. Already normalised (case). */
  readonly aliasName: string;
  readonly aliasMetadata?: Record<string, string>;
  readonly groupAliases?: readonly string[];
  /** What the token is shown as, after the mount's path, which the host puts before it; '' for the path alone. */
  readonly displayName: string;
  /** What its login was for, where the method has roles: quotas go by it. The same as the path's `loginRole`. */
  readonly role?: string;
  /** Goes into the token and the audit log, in clear. */
  readonly metadata: Record<string, string>;
  readonly token: TokenParameters;
  /** Handed back to `renewLogin`; JSON, stored encrypted with the token. */
  readonly internal?: Record<string, unknown>;
}

/** What a method's role or user says of the tokens made for it; durations in seconds, 0 for "not set". */
export interface TokenParameters {
  readonly ttl: number;
  readonly maxTtl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly policies: readonly string[];
  readonly boundCidrs: readonly string[];
  readonly noDefaultPolicy: boolean;
  readonly numUses: number;
  readonly type: TokenTypeChoice;
  readonly strictlyBindIp?: boolean;
}
export type TokenTypeChoice = 'default' | 'service' | 'batch' | 'default-service' | 'default-batch';

/** A login to be renewed: what the claim said at its start. */
export interface LoginRenewal {
  readonly aliasName: string;
  readonly internal: Record<string, unknown>;
  readonly metadata: Record<string, string>;
  readonly policies: readonly string[];
}

/** What holds of a login from its renewal on; groups as in a claim, undefined leaves them. */
export interface RenewedLogin extends TokenParameters {
  readonly groupAliases?: readonly string[];
}

/** The `token_*` fields that every auth method's roles share. */
export const tokenFields = {
  token_ttl: duration({ description: 'Initial time to live of generated tokens.' }),
  token_max_ttl: duration({ description: 'Maximum time to live of generated tokens.' }),
  token_explicit_max_ttl: duration({
    description: 'Hard limit on the life of generated tokens, renewals included.',
  }),
  token_period: duration({
    description: 'Makes generated tokens periodic: renewable for ever, by this much each time.',
  }),
  token_policies: list({ description: 'Policies of generated tokens.' }),
  token_bound_cidrs: list({ description: 'Address blocks from which generated tokens may be used.' }),
  token_no_default_policy: boolean({ description: 'Leaves the default policy out of generated tokens.' }),
  token_num_uses: integer({
    description: 'How many requests a generated token is good for; 0 is unlimited.',
  }),
  token_type: text({
    description: 'Type of generated tokens.',
    choices: ['default', 'service', 'batch', 'default-service', 'default-batch'],
  }),
  token_strictly_bind_ip: boolean({ description: 'Binds a generated token to the address that logged in.' }),
} satisfies Fields;

export type TokenFieldsInput = Input<typeof tokenFields>;

/** As stored in a role: wire names, always complete. */
export interface StoredTokenFields {
  token_ttl: number;
  token_max_ttl: number;
  token_explicit_max_ttl: number;
  token_period: number;
  token_policies: string[];
  token_bound_cidrs: string[];
  token_no_default_policy: boolean;
  token_num_uses: number;
  token_type: TokenTypeChoice;
  token_strictly_bind_ip: boolean;
}

const UNSET: StoredTokenFields = {
  token_ttl: 0,
  token_max_ttl: 0,
  token_explicit_max_ttl: 0,
  token_period: 0,
  token_policies: [],
  token_bound_cidrs: [],
  token_no_default_policy: false,
  token_num_uses: 0,
  token_type: 'default',
  token_strictly_bind_ip: false,
};

/** The stored fields after a write: what the request has over what was there. Throws `InvalidRequest`. */
export function mergeTokenFields(
  input: Partial<TokenFieldsInput>,
  before: StoredTokenFields = UNSET,
): StoredTokenFields {
  const merged: StoredTokenFields = {
    token_ttl: input.token_ttl ?? before.token_ttl,
    token_max_ttl: input.token_max_ttl ?? before.token_max_ttl,
    token_explicit_max_ttl: input.token_explicit_max_ttl ?? before.token_explicit_max_ttl,
    token_period: input.token_period ?? before.token_period,
    token_policies: normalPolicies(input.token_policies ?? before.token_policies),
    token_bound_cidrs: input.token_bound_cidrs?.map(checkedCidr) ?? before.token_bound_cidrs,
    token_no_default_policy: input.token_no_default_policy ?? before.token_no_default_policy,
    token_num_uses: input.token_num_uses ?? before.token_num_uses,
    token_type: (input.token_type as TokenTypeChoice | undefined) ?? before.token_type,
    token_strictly_bind_ip: input.token_strictly_bind_ip ?? before.token_strictly_bind_ip,
  };
  checkTokenFields(merged);
  return merged;
}

/** For a role's GET. */
export function shownTokenFields(stored: StoredTokenFields): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const wireName in UNSET) shown[wireName] = stored[wireName as keyof StoredTokenFields];
  return shown;
}

export function tokenParameters(stored: StoredTokenFields): TokenParameters {
  return {
    ttl: stored.token_ttl,
    maxTtl: stored.token_max_ttl,
    explicitMaxTtl: stored.token_explicit_max_ttl,
    period: stored.token_period,
    policies: stored.token_policies,
    boundCidrs: stored.token_bound_cidrs,
    noDefaultPolicy: stored.token_no_default_policy,
    numUses: stored.token_num_uses,
    type: stored.token_type,
    strictlyBindIp: stored.token_strictly_bind_ip,
  };
}

/** Policy names are case-insensitive: lower case, each once, sorted. */
export function normalPolicies(names: readonly string[]): string[] {
  return [...new Set(names.map((policy) => policy.trim().toLowerCase()).filter(Boolean))].sort();
}

function checkTokenFields(fields: StoredTokenFields): void {
  for (const wireName of ['token_ttl', 'token_max_ttl', 'token_explicit_max_ttl', 'token_period'] as const) {
    if (fields[wireName] < 0) throw new InvalidRequest(`${wireName} cannot be negative`);
  }
  if (fields.token_num_uses < 0) throw new InvalidRequest("'token_num_uses' cannot be negative");
  if (fields.token_max_ttl > 0 && fields.token_ttl > fields.token_max_ttl) {
    throw new InvalidRequest("'token_ttl' cannot be greater than 'token_max_ttl'");
  }
  if (fields.token_type === 'batch' || fields.token_type === 'default-batch') {
    if (fields.token_num_uses !== 0)
      throw new InvalidRequest(
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
      );
    if (fields.token_period !== 0)
      throw new InvalidRequest(
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
      );
  }
}

function checkedCidr(text: string): string {
  if (!isCidrOrAddress(text))
    throw new InvalidRequest(`invalid address block in token_bound_cidrs: ${JSON.stringify(text)}`);
  return text;
}
