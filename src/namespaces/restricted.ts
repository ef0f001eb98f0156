/**
 * What `sys/` serves in every namespace; the rest (seal, audit, raw, ...) is the root's alone. A list of what is let in, so
 * that a new path is the root's until somebody decides otherwise.
 */
const EVERYWHERE: readonly string[] = [
  'auth',
  'capabilities',
  'capabilities-accessor',
  'capabilities-self',
  'config/group-policy-application',
  'control-group',
  'internal/counters/activity',
  'internal/counters/entities',
  'internal/counters/tokens',
  'internal/specs/openapi',
  'internal/ui',
  'leader',
  'leases',
  'locked-users',
  'mfa/validate',
  'mounts',
  'namespaces',
  'plugins/catalog',
  'policies',
  'policy',
  'remount',
  'renew',
  'revoke',
  'revoke-force',
  'revoke-prefix',
  'seal-status',
  'tools',
  'wrapping',
];

const SERVED = new Set(EVERYWHERE);

/** `path` is relative to `sys/`. */
export function servedEverywhere(path: string): boolean {
  const [first = '', second = '', third = ''] = path.split('/');
  return SERVED.has(first) || SERVED.has(`${first}/${second}`) || SERVED.has(`${first}/${second}/${third}`);
}

/** Relative to `sys/`: what a locked namespace still answers. */
export function servedLocked(path: string): boolean {
  return (
    path === 'seal-status' ||
    path === 'leader' ||
    path === 'namespaces/api-lock/unlock' ||
    path.startsWith('namespaces/api-lock/unlock/')
  );
}
