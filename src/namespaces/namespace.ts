/** A tenant: its own mounts, policies, tokens and identities, below another. */
export interface Namespace {
  /** Short and random, for ever; `root` for the root. Ends the tokens, accessors and lease ids of all but the root. */
  readonly id: string;
  readonly uuid: string;
  /** Absolute, with trailing slash: `a/b/`; '' for the root. */
  readonly path: string;
  readonly customMetadata: Readonly<Record<string, string>>;
  /** SHA-256 of the key that unlocks it, hex; absent: not locked. */
  readonly lockedBy?: string | undefined;
  /** Being deleted: nobody gets in; what is in it is on its way out. */
  readonly leaving?: boolean;
}

export const ROOT_ID = 'root';

export const ROOT_NAMESPACE: Namespace = Object.freeze({
  id: ROOT_ID,
  uuid: '00000000-0000-4000-8000-000000000000',
  path: '',
  customMetadata: Object.freeze({}),
});

/** What of a namespace mounts and engines get to know. */
export type NamespaceRef = Pick<Namespace, 'id' | 'path'>;

/**
 * What is stored by namespace, and where. With a namespace everything under its prefixes goes, so that a kind which has a
 * row here cannot be forgotten.
 */
const KINDS = {
  mounts: { root: 'core/mounts/', others: 'core/mounts-in/' },
  leases: { root: 'leases/id/', others: 'leases/id-in/' },
  accessors: { root: 'tokens/accessor/', others: 'tokens/accessor-in/' },
  policies: { root: 'sys/policy/', others: 'sys/policy-in/' },
  passwordPolicies: { root: 'sys/password-policy/', others: 'sys/password-policy-in/' },
  identity: { root: 'identity/root/', others: 'identity/' },
} as const;

export type NamespacedKind = keyof typeof KINDS;
export const NAMESPACED_KINDS = Object.keys(KINDS) as readonly NamespacedKind[];

/** Where a kind of record of one namespace lies. */
export function namespacedPrefix(kind: NamespacedKind, namespaceId: string): string {
  return namespaceId === ROOT_ID ? KINDS[kind].root : `${KINDS[kind].others}${namespaceId}/`;
}

/** Of a kind, what lies in any namespace but the root, under their ids. */
export function allNamespacesPrefix(kind: NamespacedKind): string {
  return KINDS[kind].others;
}

/** What ends tokens, accessors and lease ids. */
export function idSuffix(namespaceId: string): string {
  return namespaceId === ROOT_ID ? '' : `.${namespaceId}`;
}

/** The namespace that an accessor or lease id names: what follows the dot in its last segment. */
export function namespaceIdIn(id: string): string {
  const dot = id.indexOf('.', id.lastIndexOf('/') + 1);
  return dot < 0 ? ROOT_ID : id.slice(dot + 1);
}

/** Whether `inner` is `outer` or below it. */
export function isWithin(inner: Pick<Namespace, 'path'>, outer: Pick<Namespace, 'path'>): boolean {
  return inner.path.startsWith(outer.path);
}
