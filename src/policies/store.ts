import type { Session } from '../barrier/session.ts';
import type { View } from '../barrier/view.ts';
import type { Clock } from '../base/clock.ts';
import { InternalFailure, InvalidRequest, NotFound, unlessCorrupt } from '../base/errors.ts';
import { namespacedPrefix, ROOT_ID } from '../namespaces/namespace.ts';
import { type Acl, compileAcl, layerAcl, ROOT_POLICY } from './acl.ts';
import {
  DEFAULT_POLICY,
  DEFAULT_POLICY_TEXT,
  IMMUTABLE_POLICIES,
  WRAPPING_POLICY,
  WRAPPING_POLICY_TEXT,
} from './defaults.ts';
import { WeightedLru } from './lru.ts';
import { checkedPolicyName, normalPolicyName } from './names.ts';
import { decodePolicyText, type Policy, parsePolicy } from './parse.ts';
import { expandRules, plainRules, type TemplateAllowance, type TemplateIdentity } from './templates.ts';

/** A policy as stored, under its name. */
export interface StoredPolicy {
  readonly text: string;
  /** Rises by one with each write, from 1. */
  readonly version: number;
  readonly modifiedAtMs: number;
  readonly casRequired: boolean;
  /** It counts as gone from then on, in milliseconds since the Unix epoch. */
  readonly expiresAtMs?: number;
  readonly allowSlashes?: boolean;
  readonly allowWildcards?: boolean;
}

export interface PolicyWrite {
  readonly name: string;
  /** HCL or JSON, plain or in base64. */
  readonly text: string;
  /** The version that must be there; -1 for none. */
  readonly cas?: number | undefined;
  readonly casRequired?: boolean | undefined;
  /** Seconds from now; not together with `expiresAtMs`. */
  readonly ttlSeconds?: number | undefined;
  readonly expiresAtMs?: number | undefined;
  /** What identity values in its templates may hold. */
  readonly allowSlashes?: boolean | undefined;
  readonly allowWildcards?: boolean | undefined;
}

export type PolicyPatch = Partial<PolicyWrite> & Pick<PolicyWrite, 'name'>;

const ROOT_POLICIES = namespacedPrefix('policies', ROOT_ID);
/** How much compiled policy is kept: rules, with every cached set counting for some more. */
const CACHED_RULES_MAX = 500_000;
const ENTRY_WEIGHT = 20;
const INLINE_MAX = 1000;

/** One compiled set with what it was compiled from. */
interface CachedAcl {
  readonly acl: Acl;
  readonly sources: readonly (StoredPolicy | undefined)[];
  readonly policies: readonly Policy[];
  /** Those that have rules for each caller. */
  readonly templated: readonly { readonly policy: Policy; readonly allowance: TemplateAllowance }[];
  readonly validUntilMs: number;
}

interface LastAcl extends CachedAcl {
  readonly namespaceId: string;
  readonly names: readonly string[];
}

/** The same in every namespace, so it needs no record. */
const FIXED_WRAPPING_POLICY: StoredPolicy = Object.freeze({
  text: WRAPPING_POLICY_TEXT,
  version: 1,
  modifiedAtMs: 0,
  casRequired: false,
});

/**
 * The stored ACL policies, each namespace's own. Every look at a policy reads its record through the session, so a request sees exactly the
 * policies of its own transaction: the caches only save parsing and compiling what is still word for word the same.
 */
export class Policies {
  readonly #clock: Clock;
  readonly #parsed = new WeightedLru<Policy>({
    weightMax: CACHED_RULES_MAX,
    weigh: (policy) => policy.rules.length + ENTRY_WEIGHT,
  });
  /** By text. */
  readonly #inline = new WeightedLru<Acl>({ weightMax: INLINE_MAX, weigh: () => 1 });
  readonly #compiled = new WeightedLru<CachedAcl>({
    weightMax: CACHED_RULES_MAX,
    weigh: ({ acl }) => acl.rules.length + ENTRY_WEIGHT,
  });

  /** For a token's list of policies, which is one object as long as the token's record is remembered. */
  readonly #lastOf = new WeakMap<readonly string[], LastAcl>();
  /** By caller, whose rules lie over the rights that others have as well. */
  readonly #layered = new WeakMap<TemplateIdentity, WeakMap<Acl, Acl>>();

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** Once for each namespace: writes the policies that are always there. */
  initialize(session: Session, namespaceId: string): void {
    this.put(session, namespaceId, { name: DEFAULT_POLICY, text: DEFAULT_POLICY_TEXT });
  }

  /** Undefined when there is none or it has expired. `root` is there with an empty text, in the root namespace only. */
  get(
    session: Session,
    namespaceId: string,
    name: string,
  ): (StoredPolicy & { readonly name: string }) | undefined {
    const normal = normalPolicyName(name);
    if (normal === ROOT_POLICY) {
      if (namespaceId !== ROOT_ID) return undefined;
      return { name: normal, text: '', version: 0, modifiedAtMs: 0, casRequired: false };
    }
    const stored = this.#stored(policiesOf(session, namespaceId), normal);
    return stored && { ...stored, name: normal };
  }

  /** Also when it is damaged: whoever has it is refused until somebody writes it anew, as it may hold a denial. */
  has(session: Session, namespaceId: string, name: string): boolean {
    return unlessCorrupt(() => this.get(session, namespaceId, name) !== undefined, true);
  }

  /** The parsed form of a stored policy. */
  parsed(session: Session, namespaceId: string, name: string): Policy | undefined {
    const normal = normalPolicyName(name);
    const stored = this.#stored(policiesOf(session, namespaceId), normal);
    return stored && this.#parse(namespaceId, normal, stored);
  }

  /** Names in order, `root` among them but not what the host keeps for itself; folders under a `prefix` that ends in `/` (or is ''). */
  list(
    session: Session,
    namespaceId: string,
    prefix = '',
    page: { after?: string; limit?: number } = {},
  ): string[] {
    const view = policiesOf(session, namespaceId);
    const there = view
      .list(prefix)
      .filter((name) => !IMMUTABLE_POLICIES.has(name))
      .filter((name) => name.endsWith('/') || this.has(session, namespaceId, prefix + name));
    const names = prefix === '' && namespaceId === ROOT_ID ? [...there, ROOT_POLICY].sort() : there;
    const after = page.after ?? '';
    const rest = after === '' ? names : names.filter((name) => name > after);
    return page.limit !== undefined && page.limit > 0 ? rest.slice(0, page.limit) : rest;
  }

  /** Writes a policy; returns it parsed, for `lintPolicy`. Throws `InvalidRequest`. */
  put(session: Session, namespaceId: string, write: PolicyWrite): Policy {
    const name = checkedPolicyName(write.name);
    if (IMMUTABLE_POLICIES.has(name)) throw new InvalidRequest(`cannot update "${name}" policy`);
    if (write.text.trim() === '') throw new InvalidRequest("'policy' parameter not supplied or empty");
    const policy = parsePolicy({ name, text: decodePolicyText(write.text) });
    const view = policiesOf(session, namespaceId);
    const before = unlessCorrupt(() => this.#stored(view, name), undefined);
    checkVersion(write, before);
    const expiresAtMs = this.#expiry(write);
    const stored: StoredPolicy = {
      text: policy.text,
      version: (before?.version ?? 0) + 1,
      modifiedAtMs: this.#clock.now(),
      casRequired: write.casRequired ?? false,
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      ...(write.allowSlashes && { allowSlashes: true }),
      ...(write.allowWildcards && { allowWildcards: true }),
    };
    view.put(name, stored);
    return policy;
  }

  /** Changes what is given and keeps the rest. Throws `NotFound` when there is no such policy. */
  patch(session: Session, namespaceId: string, patch: PolicyPatch): Policy {
    const before = this.get(session, namespaceId, patch.name);
    if (!before) throw new NotFound(`no policy named "${patch.name}"`);
    const { expiresAtMs: endBefore, ...kept } = before;
    const isNewEnd = patch.ttlSeconds !== undefined || patch.expiresAtMs !== undefined;
    const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
    return this.put(session, namespaceId, {
      ...kept,
      ...(isNewEnd ? {} : { expiresAtMs: endBefore }),
      ...given,
    });
  }

  /** No error when there is none. Throws `InvalidRequest` for the built-in ones. */
  delete(session: Session, namespaceId: string, name: string): void {
    const normal = checkedPolicyName(name);
    if (IMMUTABLE_POLICIES.has(normal) || normal === DEFAULT_POLICY) {
      throw new InvalidRequest(`cannot delete "${normal}" policy`);
    }
    policiesOf(session, namespaceId).delete(normal);
    this.#parsed.delete(parsedKey(namespaceId, normal));
    this.#compiled.clear();
  }

  /** Deletes the records of policies that have expired; how many. For periodic work on the active node. */
  removeExpired(session: Session, namespaceId: string): number {
    const view = policiesOf(session, namespaceId);
    const expired = [...view.keys('')].filter((name) => !this.has(session, namespaceId, name));
    for (const name of expired) view.delete(name);
    return expired.length;
  }

  /** Drops what was derived from policies. Only memory depends on it, not what is allowed. */
  invalidate(): void {
    this.#parsed.clear();
    this.#compiled.clear();
  }

  /** The rights of a policy that is nowhere stored. */
  aclOfText(text: string): Acl {
    let acl = this.#inline.get(text);
    if (!acl) {
      acl = compileAcl({ policies: [parsePolicy({ name: 'inline', text })], nowMs: this.#clock.now() });
      this.#inline.set(text, acl);
    }
    return acl;
  }

  /** The compiled rights of a set of policies for one caller. Names without a policy grant nothing. */
  aclFor(
    session: Session,
    namespaceId: string,
    policyNames: readonly string[],
    identity?: TemplateIdentity,
  ): Acl {
    const common = this.#commonAcl(session, namespaceId, policyNames);
    if (!identity || common.templated.length === 0) return common.acl;
    let ofIdentity = this.#layered.get(identity);
    if (!ofIdentity) {
      ofIdentity = new WeakMap();
      this.#layered.set(identity, ofIdentity);
    }
    const known = ofIdentity.get(common.acl);
    const nowMs = this.#clock.now();
    if (known && nowMs < known.expiresAtMs) return known;
    const acl = layered(common, identity, nowMs);
    ofIdentity.set(common.acl, acl);
    return acl;
  }

  /** Without the rules that differ from caller to caller. */
  #commonAcl(session: Session, namespaceId: string, policyNames: readonly string[]): CachedAcl {
    const view = policiesOf(session, namespaceId);
    const last = this.#lastOf.get(policyNames);
    if (last && last.namespaceId === namespaceId && this.#isCurrent(view, last)) return last;
    const names = policyNames.map(normalPolicyName);
    const sources = names.map((name) => (name === ROOT_POLICY ? undefined : this.#stored(view, name)));
    const key = JSON.stringify([namespaceId, names]);
    const cached = this.#compiled.get(key);
    const nowMs = this.#clock.now();
    if (
      cached &&
      nowMs < cached.validUntilMs &&
      sources.every((stored, at) => isSame(stored, cached.sources[at]))
    ) {
      this.#lastOf.set(policyNames, { ...cached, names, sources, namespaceId });
      return cached;
    }
    const compiled = this.#compile(namespaceId, names, sources, nowMs);
    this.#compiled.set(key, compiled);
    return compiled;
  }

  #compile(
    namespaceId: string,
    names: readonly string[],
    sources: CachedAcl['sources'],
    nowMs: number,
  ): CachedAcl {
    const policies = sources.flatMap((stored, at) =>
      stored ? [this.#parse(namespaceId, names[at]!, stored)] : [],
    );
    const common = policies.map((policy) => ({ ...policy, rules: plainRules(policy) }));
    const isRoot = namespaceId === ROOT_ID && names.includes(ROOT_POLICY);
    const acl = compileAcl({ policies: isRoot ? [ROOT, ...common] : common, nowMs });
    const templated = policies.flatMap((policy) => {
      const stored = sources[names.indexOf(policy.name)];
      const allowance = {
        slashes: stored?.allowSlashes ?? false,
        wildcards: stored?.allowWildcards ?? false,
      };
      return policy.placeholders.length > 0 ? [{ policy, allowance }] : [];
    });
    return { acl, sources, policies, templated, validUntilMs: acl.expiresAtMs };
  }

  /** Whether every record is still the one the rights were compiled from. */
  #isCurrent(view: View, { names, sources, validUntilMs }: LastAcl): boolean {
    if (this.#clock.now() >= validUntilMs) return false;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name !== ROOT_POLICY && this.#stored(view, name) !== sources[i]) return false;
    }
    return true;
  }

  #stored(view: View, name: string): StoredPolicy | undefined {
    if (name === WRAPPING_POLICY) return FIXED_WRAPPING_POLICY;
    const stored = name === '' ? undefined : view.get<StoredPolicy>(name);
    const endsAtMs = stored?.expiresAtMs ?? Number.POSITIVE_INFINITY;
    return this.#clock.now() < endsAtMs ? stored : undefined;
  }

  #parse(namespaceId: string, name: string, { text }: StoredPolicy): Policy {
    const key = parsedKey(namespaceId, name);
    const known = this.#parsed.get(key);
    if (known?.text === text) return known;
    try {
      const policy = parsePolicy({ name, text });
      this.#parsed.set(key, policy);
      return policy;
    } catch (error) {
      // Going on without it could leave out a denial.
      throw new InternalFailure(`the stored policy "${name}" cannot be parsed`, { cause: error });
    }
  }

  #expiry({ ttlSeconds, expiresAtMs }: PolicyWrite): number | undefined {
    if (ttlSeconds !== undefined && expiresAtMs !== undefined) {
      throw new InvalidRequest('ttl and expiration cannot both be set');
    }
    if (ttlSeconds !== undefined && ttlSeconds < 0) throw new InvalidRequest('ttl must not be negative');
    const nowMs = this.#clock.now();
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs)
      throw new InvalidRequest('expiration is in the past');
    return ttlSeconds ? nowMs + ttlSeconds * 1000 : expiresAtMs;
  }
}

function policiesOf(session: Session, namespaceId: string): View {
  return session.view(namespaceId === ROOT_ID ? ROOT_POLICIES : namespacedPrefix('policies', namespaceId));
}

/** No name holds a control character. */
function parsedKey(namespaceId: string, name: string): string {
  return namespaceId === ROOT_ID ? name : `${namespaceId}\0${name}`;
}

function checkVersion(write: PolicyWrite, before: StoredPolicy | undefined): void {
  if (write.cas === undefined) {
    if (!before?.casRequired && !write.casRequired) return;
    throw new InvalidRequest('check-and-set parameter required for this call');
  }
  if (write.cas !== (before?.version ?? -1)) {
    throw new InvalidRequest('check-and-set parameter did not match the current version');
  }
}

/** Unchanged records are usually the very same object; if not, what the rules depend on must be equal. */
function isSame(a: StoredPolicy | undefined, b: StoredPolicy | undefined): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  return a.text === b.text && a.allowSlashes === b.allowSlashes && a.allowWildcards === b.allowWildcards;
}

const ROOT: Policy = { name: ROOT_POLICY, rules: [], text: '', placeholders: [] };

function layered({ acl, policies, templated }: CachedAcl, identity: TemplateIdentity, nowMs: number): Acl {
  const filled = templated.map(({ policy, allowance }) => ({
    ...policy,
    rules: expandRules(policy, identity, allowance),
  }));
  const together = (path: string) =>
    policies.flatMap((policy) => {
      const own = filled.filter(({ name }) => name === policy.name);
      return [policy, ...own].map((each) => ({
        ...each,
        rules: each.rules.filter((rule) => rule.path === path),
      }));
    });
  return layerAcl({ base: acl, policies: filled, together, nowMs });
}
