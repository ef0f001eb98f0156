import { type Acl, type AclRequest, type AclRule, isListing, type Refusal } from './acl.ts';
import { KV_V2_SEGMENTS } from './lint.ts';
import { indexPatterns, outranks } from './patterns.ts';

export interface ExplainRequest extends AclRequest {
  /** The mount the path belongs to, with trailing slash. */
  readonly mountPath?: string | undefined;
  /** `kv-v2` for KV version 2; other types as they are. */
  readonly mountKind?: string | undefined;
}

/** A rule as an explanation shows it; also goes over the wire as it is. */
export interface ExplainedRule {
  readonly path: string;
  readonly capabilities: readonly string[];
  /** Each place that contributes to the rule. */
  readonly sources: readonly { readonly policy: string; readonly line: number }[];
}

export interface NearMiss {
  readonly kind:
    | 'kv version 2 path'
    | 'trailing slash'
    | 'below the rule'
    | 'overruled'
    | 'upper and lower case';
  readonly rule: ExplainedRule;
  /** What would have to change. */
  readonly hint: string;
}

export interface Explanation {
  readonly allowed: boolean;
  /** One sentence. */
  readonly summary: string;
  readonly policies: readonly string[];
  /** The rule that decided; absent when none matches or for root. */
  readonly rule?: ExplainedRule;
  /** Rules that match too but have lower priority, highest first. */
  readonly overruled: readonly ExplainedRule[];
  /** Only of refused requests. */
  readonly nearMisses: readonly NearMiss[];
}

/** Why a request is or would be allowed or refused. Looks at nothing but the compiled policies. */
export function explain(acl: Acl, request: ExplainRequest): Explanation {
  const decision = acl.check(request);
  const overruled = matching(acl, request).filter((rule) => rule.path !== decision.rule?.path);
  const what = `${request.operation} on "${request.path}"`;
  return {
    allowed: decision.allowed,
    summary: decision.allowed
      ? `${what} is allowed${acl.root ? ': the policy "root" allows everything' : byRule(decision.rule)}`
      : `${what} is refused: ${reason(decision.refusal, decision.rule)}`,
    policies: acl.policyNames,
    ...(decision.rule && { rule: shown(decision.rule) }),
    overruled: overruled.map(shown),
    nearMisses: decision.allowed ? [] : nearMisses(acl, request, overruled),
  };
}

function byRule(rule: AclRule | undefined): string {
  return rule ? ` by ${named(rule)}` : '';
}

function named(rule: AclRule): string {
  const places = rule.sources.map(({ policy, line }) => `policy "${policy}" line ${line}`);
  return `path "${rule.path}" (${places.join(', ')})`;
}

function shown({ path, capabilities, sources }: AclRule): ExplainedRule {
  return {
    path,
    capabilities: [...capabilities].sort(),
    sources: sources.map(({ policy, line }) => ({ policy, line })),
  };
}

function reason(refusal: Refusal | undefined, rule: AclRule | undefined): string {
  if (!refusal || !rule) return 'no rule matches the path';
  switch (refusal.kind) {
    case 'denied':
      return `${named(rule)} denies it`;
    case 'capability':
      return `${named(rule)} does not grant "${refusal.capability}"`;
    case 'sudo':
      return `the path is root-protected and ${named(rule)} does not grant "sudo"`;
    case 'wrapping':
      return `${named(rule)} wants the reply wrapped${wrappingLimits(rule)}`;
    case 'parameter':
      return `the parameter "${refusal.objection.parameter}" is ${refusal.objection.kind}, says ${named(rule)}`;
    default:
      return 'no rule matches the path';
  }
}

function wrappingLimits({ minWrappingTtlSeconds: min, maxWrappingTtlSeconds: max }: AclRule): string {
  const limits = [min > 0 ? `at least ${min} seconds` : '', max > 0 ? `at most ${max} seconds` : ''];
  return ` for ${limits.filter(Boolean).join(' and ')}`;
}

/** Every rule that fits the path, by priority. */
function matching(acl: Acl, request: AclRequest): AclRule[] {
  const listing = isListing(request.operation);
  const path = listing && !request.path.endsWith('/') ? `${request.path}/` : request.path;
  return acl.rules
    .filter((rule) => indexPatterns([rule]).find(path, listing) !== undefined)
    .sort((a, b) => (outranks(a, b) ? -1 : 1));
}

function nearMisses(acl: Acl, request: ExplainRequest, overruled: readonly AclRule[]): NearMiss[] {
  const misses = [
    ...kvMisses(acl, request),
    ...slashMisses(acl, request, overruled),
    ...parentMisses(acl, request),
    ...caseMisses(acl, request),
    ...overruledMisses(request, overruled),
  ];
  const seen = new Set<string>();
  return misses.filter(({ kind, rule }) => {
    const key = `${kind} ${rule.path}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** The rule that would allow the same at another path. */
function allowingRule(acl: Acl, request: AclRequest, path: string): AclRule | undefined {
  const { allowed, rule } = acl.check({ ...request, path });
  return allowed ? rule : undefined;
}

/** The mistake that is made most: KV version 2 has `data/` (or `metadata/` for lists) after the mount. */
function* kvMisses(acl: Acl, request: ExplainRequest): Iterable<NearMiss> {
  const { mountPath, mountKind, path } = request;
  if (mountKind !== 'kv-v2' || mountPath === undefined || !path.startsWith(mountPath)) return;
  const rest = path.slice(mountPath.length);
  const [first = ''] = rest.split('/');
  const inside = KV_V2_SEGMENTS.some((segment) => segment === first);
  const name = inside ? rest.slice(first.length + 1) : rest;
  if (inside) {
    const rule = allowingRule(acl, request, mountPath + name);
    if (rule) {
      const fitting = `${mountPath}${first}/${rule.path.slice(mountPath.length)}`;
      const hint = `on the KV version 2 mount "${mountPath}" the rule must be written with "${first}/": "${fitting}"`;
      yield { kind: 'kv version 2 path', rule: shown(rule), hint };
    }
  }
  for (const segment of KV_V2_SEGMENTS) {
    const rule = segment === first ? undefined : allowingRule(acl, request, `${mountPath}${segment}/${name}`);
    if (rule?.path.startsWith(mountPath + segment)) {
      const hint = `the request would be allowed at "${mountPath}${segment}/${name}"`;
      yield { kind: 'kv version 2 path', rule: shown(rule), hint };
    }
  }
}

/** Not of a rule that fits both ways: then it is another that decides. */
function* slashMisses(acl: Acl, request: ExplainRequest, overruled: readonly AclRule[]): Iterable<NearMiss> {
  if (isListing(request.operation)) return;
  const { path } = request;
  const toggled = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
  const rule = allowingRule(acl, request, toggled);
  if (rule && !overruled.some(({ path: other }) => other === rule.path)) {
    yield {
      kind: 'trailing slash',
      rule: shown(rule),
      hint: `the rule fits "${toggled}"; it does not fit "${path}"`,
    };
  }
}

/** An exact rule does not reach what lies below it. */
function* parentMisses(acl: Acl, request: ExplainRequest): Iterable<NearMiss> {
  const { path } = request;
  for (
    let slash = path.lastIndexOf('/', path.length - 2);
    slash > 0;
    slash = path.lastIndexOf('/', slash - 1)
  ) {
    const parent = path.slice(0, slash);
    const rule = allowingRule(acl, request, parent);
    if (!rule || rule.isPrefix) continue;
    const hint = `the rule ends at "${parent}"; "${rule.path.replace(/\/$/, '')}/*" would reach what is below it`;
    yield { kind: 'below the rule', rule: shown(rule), hint };
    return;
  }
}

function* caseMisses(acl: Acl, request: ExplainRequest): Iterable<NearMiss> {
  const listing = isListing(request.operation);
  const folded = acl.rules.map((rule) => ({ ...rule, path: rule.path.toLowerCase(), original: rule }));
  const found = indexPatterns(folded).find(request.path.toLowerCase(), listing);
  if (!found || indexPatterns([found.original]).find(request.path, listing)) return;
  if (request.operation === 'help' || !found.capabilities.has(request.operation)) return;
  yield {
    kind: 'upper and lower case',
    rule: shown(found.original),
    hint: 'the rule fits but for upper and lower case',
  };
}

function* overruledMisses({ operation }: AclRequest, overruled: readonly AclRule[]): Iterable<NearMiss> {
  for (const rule of overruled) {
    if (operation === 'help' || !rule.capabilities.has(operation)) continue;
    const hint = `the rule grants "${operation}", but the rule that decides is more specific`;
    yield { kind: 'overruled', rule: shown(rule), hint };
    return;
  }
}
