/** The policies that are always there. */

/** Names that cannot be written or deleted: they stand for fixed rights or for what the host does by itself. */
export const IMMUTABLE_POLICIES: ReadonlySet<string> = new Set([
  'root',
  'response-wrapping',
  'control-group',
]);

/** Of these, the ones that the host alone gives to tokens. */
export const UNASSIGNABLE_POLICIES: ReadonlySet<string> = new Set(['response-wrapping', 'control-group']);

export const DEFAULT_POLICY = 'default';

/** The `default` policy as it is when a server is initialised. It may be changed, not deleted. */
export const DEFAULT_POLICY_TEXT = `# Every token has this policy unless it was made without it.

# What a token may do with itself: look, renew, revoke, and ask what it may do.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
path "sys/capabilities-self" {
  capabilities = ["update"]
}
path "sys/policies/explain" {
  capabilities = ["update"]
}
path "sys/policies/explain-self" {
  capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
  capabilities = ["read"]
}

# The token's own cubbyhole.
path "cubbyhole/*" {
  capabilities = ["create", "read", "update", "delete", "list"]
}

# Wrapping values and unwrapping what was wrapped for it.
path "sys/wrapping/wrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}

# Leases whose id the caller knows.
path "sys/renew" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "sys/leases/lookup" {
  capabilities = ["update"]
}

# Hashing of what the caller sends.
path "sys/tools/hash" {
  capabilities = ["update"]
}
path "sys/tools/hash/*" {
  capabilities = ["update"]
}

# Its own entity.
path "identity/entity/id/{{identity.entity.id}}" {
  capabilities = ["read"]
}
path "identity/entity/name/{{identity.entity.name}}" {
  capabilities = ["read"]
}

# Requests that wait for the consent of others.
path "sys/control-group/request" {
  capabilities = ["update"]
}

# Signing in to applications through this server.
path "identity/oidc/provider/+/authorize" {
  capabilities = ["read", "update"]
}
`;

/** What a wrapping token may do: get what it wraps, nothing else. Fixed. */
export const WRAPPING_POLICY = 'response-wrapping';
export const WRAPPING_POLICY_TEXT = `path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}
path "sys/wrapping/lookup" {
  capabilities = ["read", "update"]
}
path "sys/wrapping/rewrap" {
  capabilities = ["update"]
}
`;
