import type { Operation } from '../engine/engine.ts';
import type { Plain } from '../hcl/hcl.ts';
import { type ParameterLimits, type ParameterObjection, parameterObjection } from './parameters.ts';
import type { Capability, ParameterTable, Policy, Rule } from './parse.ts';
import { indexPatterns, outranks, type PathPattern, type PatternIndex, pathPattern } from './patterns.ts';

export interface AclRequest {
  /** Without `v1/` and leading slash, already normalised. */
  readonly path: string;
  readonly operation: Operation;
  /** The request's parameters: body or query. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
  /** Seconds the reply shall be wrapped for; 0 or absent when it is not to be wrapped. */
  readonly wrapTtlSeconds?: number | undefined;
  /** The path is root-protected. */
  readonly sudoRequired?: boolean | undefined;
}

/** Why a request is refused. */
export type Refusal =
  | { readonly kind: 'no rule' | 'denied' | 'sudo' | 'wrapping' }
  | { readonly kind: 'capability'; readonly capability: Capability }
  | { readonly kind: 'parameter'; readonly objection: ParameterObjection };

export interface AclDecision {
  readonly allowed: boolean;
  /** The merged rule that decided; absent for root and when no rule matched. */
  readonly rule?: AclRule;
  readonly refusal?: Refusal;
}

/** All rules with one path, merged. */
export interface AclRule extends PathPattern, ParameterLimits {
  /** Sorted. */
  readonly capabilities: ReadonlySet<Capability>;
  readonly minWrappingTtlSeconds: number;
  readonly maxWrappingTtlSeconds: number;
  /** The largest `limit` of a list or scan; 0 for none. */
  readonly paginationLimit: number;
  /** Source of the keys filter (`parseKeysFilter`); '' for none. */
  readonly keysFilter: string;
  /** Where it comes from, in the order of the policies. */
  readonly sources: readonly { readonly policy: string; readonly line: number; readonly path: string }[];
}

/** A compiled set of policies. Immutable: keep it as long as the policies stay the same and `expiresAtMs` is not reached. */
export interface Acl {
  /** One of the policies is `root`: everything is allowed. */
  readonly root: boolean;
  readonly policyNames: readonly string[];
  /** When the next of its rules ends, in milliseconds since the Unix epoch; compile anew from then on. Infinity if none does. */
  readonly expiresAtMs: number;
  readonly rules: readonly AclRule[];
  check(request: AclRequest): AclDecision;
  /** As `sys/capabilities` prints them: `["root"]`, `["deny"]` or a sorted list. */
  capabilities(path: string): string[];
  /** The rule that decides about `path`, whatever it says. */
  deciding(path: string, listing: boolean): AclRule | undefined;
  /** Whether anything is granted at or below `prefix` (which ends in `/`): such a mount is shown to the caller. */
  grantsUnder(prefix: string): boolean;
}

export const ROOT_POLICY = 'root';

/** Compiles policies whose templates have been expanded; rules that have ended by `nowMs` are left out. */
export function compileAcl({ policies, nowMs }: { policies: readonly Policy[]; nowMs: number }): Acl {
  const policyNames = policies.map((policy) => policy.name);
  if (policyNames.includes(ROOT_POLICY)) return rootAcl(policyNames);
  return new CompiledAcl(policyNames, mergedRules(policies, nowMs));
}

/**
 * `base` with further rules, which count as if they had been compiled with it: many callers' rights are a large common part
 * and a few rules of their own. `together` gives the rules of both with a path that is in both, in the order of the policies.
 */
export function layerAcl({
  base,
  policies,
  together,
  nowMs,
}: {
  base: Acl;
  policies: readonly Policy[];
  together: (path: string) => readonly Policy[];
  nowMs: number;
}): Acl {
  if (!(base instanceof CompiledAcl)) return base;
  const own = mergedRules(policies, nowMs);
  for (const path of own.byPath.keys()) {
    const both = base.has(path) ? mergedRules(together(path), nowMs).byPath.get(path) : undefined;
    if (both) own.byPath.set(path, both);
  }
  return own.byPath.size === 0 ? base : new CompiledAcl(base.policyNames, own, base);
}

interface MergedRules {
  readonly byPath: Map<string, MergedRule>;
  /** When the next of them ends. */
  readonly expiresAtMs: number;
}

function mergedRules(policies: readonly Policy[], nowMs: number): MergedRules {
  const byPath = new Map<string, MergedRule>();
  let expiresAtMs = Number.POSITIVE_INFINITY;
  for (const policy of policies) {
    for (const rule of policy.rules) {
      const endsAtMs = rule.expiresAtMs ?? Number.POSITIVE_INFINITY;
      if (endsAtMs <= nowMs) continue;
      expiresAtMs = Math.min(expiresAtMs, endsAtMs);
      const merged = byPath.get(rule.path);
      if (merged) merge(merged, rule, policy.name);
      else byPath.set(rule.path, firstRule(rule, policy.name));
    }
  }
  return { byPath, expiresAtMs };
}

class CompiledAcl implements Acl {
  readonly root = false;
  readonly policyNames: readonly string[];
  readonly expiresAtMs: number;
  readonly #byPath: ReadonlyMap<string, AclRule>;
  readonly #index: PatternIndex<AclRule>;
  /** What lies beneath: rules of the same path here take their place. */
  readonly #base: CompiledAcl | undefined;

  constructor(policyNames: readonly string[], { byPath, expiresAtMs }: MergedRules, base?: CompiledAcl) {
    this.policyNames = policyNames;
    this.expiresAtMs = Math.min(expiresAtMs, base?.expiresAtMs ?? expiresAtMs);
    this.#byPath = byPath;
    this.#index = indexPatterns<AclRule>(byPath.values());
    this.#base = base;
  }

  get rules(): readonly AclRule[] {
    const own = [...this.#byPath.values()];
    if (!this.#base) return own;
    return [...this.#base.rules.filter(({ path }) => !this.#byPath.has(path)), ...own];
  }

  /** Whether a rule has exactly this path. */
  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  check(request: AclRequest): AclDecision {
    return decide(this.deciding(decidedPath(request), isListing(request.operation)), request);
  }

  capabilities(path: string): string[] {
    const granted = this.deciding(path, true)?.capabilities;
    return granted && granted.size > 0 ? [...granted].sort() : ['deny'];
  }

  deciding(path: string, listing: boolean): AclRule | undefined {
    const own = this.#index.find(path, listing);
    const below = this.#base?.deciding(path, listing);
    if (!own || !below) return own ?? below;
    return own.path !== below.path && outranks(below, own) ? below : own;
  }

  grantsUnder(prefix: string): boolean {
    return this.rules.some((rule) => grantsAnything(rule) && reachesUnder(rule, prefix));
  }
}

const ALLOWED_TO_ROOT: AclDecision = Object.freeze({ allowed: true });

function rootAcl(policyNames: readonly string[]): Acl {
  return Object.freeze<Acl>({
    root: true,
    policyNames,
    expiresAtMs: Number.POSITIVE_INFINITY,
    rules: [],
    check: () => ALLOWED_TO_ROOT,
    capabilities: () => ['root'],
    deciding: () => undefined,
    grantsUnder: () => true,
  });
}

export function isListing(operation: Operation): boolean {
  return operation === 'list' || operation === 'scan';
}

/** Lists are about a folder, whether or not the request said so. */
function decidedPath({ path, operation }: AclRequest): string {
  return isListing(operation) && !path.endsWith('/') ? `${path}/` : path;
}

const NO_RULE = Object.freeze<AclDecision>({ allowed: false, refusal: { kind: 'no rule' } });

function decide(rule: AclRule | undefined, request: AclRequest): AclDecision {
  if (request.operation === 'help') return rule ? { allowed: true, rule } : { allowed: true };
  if (!rule) return NO_RULE;
  const refusal = refusalBy(rule, request, request.operation);
  return refusal ? { allowed: false, rule, refusal } : { allowed: true, rule };
}

function refusalBy(
  rule: AclRule,
  request: AclRequest,
  needed: Exclude<Operation, 'help'>,
): Refusal | undefined {
  if (rule.capabilities.has('deny')) return { kind: 'denied' };
  if (!rule.capabilities.has(needed)) return { kind: 'capability', capability: needed };
  if (request.sudoRequired && !rule.capabilities.has('sudo')) return { kind: 'sudo' };
  if (!wrappingFits(rule, request.wrapTtlSeconds ?? 0)) return { kind: 'wrapping' };
  if (needed === 'delete' || (isListing(needed) && rule.paginationLimit === 0)) return undefined;
  const objection = parameterObjection(isListing(needed) ? onlyRequired(rule) : rule, request.data);
  return objection && { kind: 'parameter', objection };
}

/** With a pagination limit, `required_parameters = ["limit"]` makes paging mandatory; lists know no other parameter rules. */
function onlyRequired({ requiredParameters }: AclRule): ParameterLimits {
  return { requiredParameters, allowedParameters: undefined, deniedParameters: undefined };
}

/** Either limit makes wrapping mandatory. Limits merged from several rules can exclude each other: then nothing fits. */
function wrappingFits(rule: AclRule, ttlSeconds: number): boolean {
  const { minWrappingTtlSeconds: min, maxWrappingTtlSeconds: max } = rule;
  if (max > 0 && (ttlSeconds <= 0 || ttlSeconds > max)) return false;
  return min === 0 || ttlSeconds >= min;
}

type MergedRule = { -readonly [Key in keyof AclRule]: AclRule[Key] };

function firstRule(rule: Rule, policy: string): MergedRule {
  return {
    ...pathPattern(rule.path),
    capabilities: new Set(rule.capabilities),
    allowedParameters: rule.allowedParameters,
    deniedParameters: rule.deniedParameters,
    requiredParameters: rule.requiredParameters,
    minWrappingTtlSeconds: rule.minWrappingTtlSeconds,
    maxWrappingTtlSeconds: rule.maxWrappingTtlSeconds,
    paginationLimit: rule.paginationLimit,
    keysFilter: rule.keysFilter,
    sources: [{ policy, line: rule.line, path: rule.path }],
  };
}

/** Capabilities add up and deny wins; parameter tables add up; of each number the lowest that is set counts. */
function merge(into: MergedRule, rule: Rule, policy: string): void {
  const capabilities = new Set([...into.capabilities, ...rule.capabilities]);
  into.capabilities = capabilities.has('deny') ? new Set(['deny']) : capabilities;
  into.allowedParameters = union(into.allowedParameters, rule.allowedParameters);
  into.deniedParameters = union(into.deniedParameters, rule.deniedParameters);
  into.requiredParameters = [...new Set([...into.requiredParameters, ...rule.requiredParameters])];
  into.minWrappingTtlSeconds = lowestSet(into.minWrappingTtlSeconds, rule.minWrappingTtlSeconds);
  into.maxWrappingTtlSeconds = lowestSet(into.maxWrappingTtlSeconds, rule.maxWrappingTtlSeconds);
  into.paginationLimit = lowestSet(into.paginationLimit, rule.paginationLimit);
  into.keysFilter ||= rule.keysFilter;
  into.sources = [...into.sources, { policy, line: rule.line, path: rule.path }];
}

/** A parameter without values stands for any value, so it swallows the values of the other table. */
function union(a: ParameterTable | undefined, b: ParameterTable | undefined): ParameterTable | undefined {
  if (!a || !b) return a ?? b;
  const table = new Map<string, readonly Plain[]>(a);
  for (const [name, values] of b) {
    const before = table.get(name);
    const any = values.length === 0 || before?.length === 0;
    table.set(name, any ? [] : [...(before ?? []), ...values]);
  }
  return table;
}

function lowestSet(a: number, b: number): number {
  return a > 0 && b > 0 ? Math.min(a, b) : Math.max(a, b);
}

function grantsAnything(rule: AclRule): boolean {
  return rule.capabilities.size > 0 && !rule.capabilities.has('deny');
}

/** Whether some path at or below `prefix` fits the rule's pattern. */
function reachesUnder(rule: AclRule, prefix: string): boolean {
  const segments = prefix.slice(0, -1).split('/');
  const pattern = (rule.isPrefix ? rule.path.slice(0, -1) : rule.path).split('/');
  for (const [index, segment] of segments.entries()) {
    const wanted = pattern[index];
    if (wanted === undefined) return false;
    if (rule.isPrefix && index === pattern.length - 1) return segment.startsWith(wanted);
    if (wanted !== '+' && wanted !== segment) return false;
  }
  return true;
}
