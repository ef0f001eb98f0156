import type { Policy, Rule } from './parse.ts';
import { pathPattern } from './patterns.ts';

/** What a path on a KV version 2 mount goes on with. */
export const KV_V2_SEGMENTS = [
  'config',
  'data',
  'delete',
  'destroy',
  'detailed-metadata',
  'metadata',
  'subkeys',
  'undelete',
] as const;

export interface LintOptions {
  /** Mount paths with their trailing slash. */
  readonly kvV2Mounts: readonly string[];
}

/** What is probably not meant in a policy that is correct; one sentence each, with path and line. */
export function lintPolicy(policy: Policy, { kvV2Mounts }: LintOptions): string[] {
  return policy.rules.flatMap((rule) =>
    [
      ...capabilityWarnings(rule),
      ...pathWarnings(rule),
      ...shadowWarnings(rule, policy),
      ...parameterWarnings(rule),
      ...kvWarnings(rule, kvV2Mounts),
    ].map((warning) => `path "${rule.path}" (line ${rule.line}): ${warning}`),
  );
}

function* capabilityWarnings({ capabilities }: Rule): Iterable<string> {
  if (capabilities.length === 0)
    yield 'has no capabilities, so it grants nothing and hides less specific rules';
}

function* pathWarnings({ path, capabilities }: Rule): Iterable<string> {
  const plain = path.endsWith('*') ? path.slice(0, -1) : path;
  const segments = plain.replaceAll(/\{\{.*?\}\}/g, 'x').split('/');
  if (plain.includes('*')) yield 'a "*" counts as a wildcard only at the end of the path';
  if (segments.some((segment) => segment.includes('+') && segment !== '+')) {
    yield 'a "+" counts as a wildcard only if it is a whole segment';
  }
  if (path.startsWith('v1/')) yield 'never matches: paths stand without "v1/"';
  if (segments.slice(0, -1).includes('') || segments.includes('.') || segments.includes('..')) {
    yield 'never matches: requests with an empty, "." or ".." segment do not exist';
  }
  const isList = capabilities.some((one) => one === 'list' || one === 'scan' || one === 'deny');
  if (path.endsWith('/') && capabilities.length > 0 && !isList) {
    yield 'only lists have a trailing slash, and neither "list" nor "scan" is granted';
  }
}

/** Fewer `+` segments go first, so `a/*` always decides instead of `a/+/b/*`. */
function* shadowWarnings({ path }: Rule, policy: Policy): Iterable<string> {
  const { firstWildcard, isPrefix, plusCount } = pathPattern(path);
  if (!isPrefix || plusCount === 0) return;
  const broader = `${path.slice(0, firstWildcard)}*`;
  const other = policy.rules.find((rule) => rule.path === broader);
  if (other) yield `is never used: path "${broader}" (line ${other.line}) has priority over it`;
}

function* parameterWarnings({ allowedParameters, deniedParameters }: Rule): Iterable<string> {
  for (const table of [allowedParameters, deniedParameters]) {
    if (table?.get('*')?.length) yield 'the parameter "*" can only have the value []; its values are ignored';
  }
}

function* kvWarnings(rule: Rule, kvV2Mounts: readonly string[]): Iterable<string> {
  const mount = kvV2Mounts.find((prefix) => rule.path.startsWith(prefix));
  if (mount === undefined) return;
  const rest = rule.path.slice(mount.length);
  if (!goesOnAsKvV2(rest)) {
    yield `"${mount}" is a KV version 2 mount: secrets are at "${mount}data/${rest}", lists at "${mount}metadata/${rest}"`;
  } else if (rest.startsWith('data/') && (rule.allowedParameters || rule.deniedParameters)) {
    yield 'parameter rules do not look into the "data" of KV version 2 secrets';
  }
}

function goesOnAsKvV2(rest: string): boolean {
  const [segment = ''] = rest.split('/');
  if (segment === '+') return true;
  if (!segment.endsWith('*')) return KV_V2_SEGMENTS.some((known) => known === segment);
  return KV_V2_SEGMENTS.some((known) => known.startsWith(segment.slice(0, -1)));
}
