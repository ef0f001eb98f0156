/**
 * Identity templates in rule paths: `secret/data/{{identity.entity.id}}/*`. Values come from the caller's identity,
 * which others may have written, so a value that could widen a path is not put into one.
 */

import type { Policy, Rule } from './parse.ts';

export interface TemplateAlias {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly customMetadata: Readonly<Record<string, string>>;
}
export interface TemplateGroup {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}
/** What templates can name of a caller. */
export interface TemplateIdentity {
  readonly entity: {
    readonly id: string;
    readonly name: string;
    readonly metadata: Readonly<Record<string, string>>;
    /** By mount accessor. */
    readonly aliases: ReadonlyMap<string, TemplateAlias>;
  };
  /** The groups the entity is in. */
  readonly groups: readonly TemplateGroup[];
}

/** What a policy's owner lets template values hold. */
export interface TemplateAllowance {
  readonly slashes?: boolean;
  readonly wildcards?: boolean;
}

const PLACEHOLDER = /\{\{\s*(.*?)\s*\}\}/g;

/** The placeholders of a path, without braces. Throws Error for one that means nothing. */
export function placeholdersIn(path: string): string[] {
  const names = [...path.matchAll(PLACEHOLDER)].map((found) => found[1]!);
  if (/\{\{|\}\}/.test(path.replaceAll(PLACEHOLDER, ''))) throw new Error('unbalanced templating characters');
  for (const name of names) {
    if (!SELECTORS.some(({ pattern }) => pattern.test(name))) throw new Error(`unknown template "${name}"`);
  }
  return names;
}

/** Undefined when the caller has no such value. */
export function placeholderValue(name: string, identity: TemplateIdentity | undefined): string | undefined {
  if (!identity) return undefined;
  for (const { pattern, select } of SELECTORS) {
    const groups = pattern.exec(name)?.groups;
    if (groups) return select(identity, groups) || undefined;
  }
  return undefined;
}

/** The policy's rules without templates, which are the same for everybody. */
export function plainRules(policy: Policy): readonly Rule[] {
  return policy.placeholders.length === 0 ? policy.rules : policy.rules.filter((rule) => !isTemplate(rule));
}

/**
 * The policy's templates filled for one caller. A rule whose value is missing is left out. One whose value holds `*`, `+`,
 * `/`, `,` or a control character is left out too, unless it denies: a denial with the value as it is can only deny more.
 */
export function expandRules(
  policy: Policy,
  identity: TemplateIdentity | undefined,
  allowance: TemplateAllowance = {},
): readonly Rule[] {
  if (policy.placeholders.length === 0) return [];
  return policy.rules.filter(isTemplate).flatMap((rule) => {
    const isDenial = rule.capabilities.includes('deny');
    let complete = true;
    const path = rule.path.replaceAll(PLACEHOLDER, (_, name: string) => {
      const value = placeholderValue(name, identity);
      if (value === undefined || (!isDenial && !isHarmless(value, allowance))) complete = false;
      return value ?? '';
    });
    return complete ? [{ ...rule, path }] : [];
  });
}

function isTemplate({ path }: Rule): boolean {
  return path.includes('{{');
}

function isHarmless(value: string, { slashes = false, wildcards = false }: TemplateAllowance): boolean {
  if (/[\p{Cc},]/u.test(value)) return false;
  return (slashes || !value.includes('/')) && (wildcards || !/[*+]/.test(value));
}

interface Selector {
  readonly pattern: RegExp;
  select(identity: TemplateIdentity, named: Readonly<Record<string, string | undefined>>): string | undefined;
}

/** Names of metadata are Map-like outside input, so only own members count. */
function member(table: Readonly<Record<string, string>> | undefined, name = ''): string | undefined {
  return table && Object.hasOwn(table, name) ? table[name] : undefined;
}

const groupById = (identity: TemplateIdentity, id = '') => identity.groups.find((group) => group.id === id);
const groupByName = (identity: TemplateIdentity, name = '') =>
  identity.groups.find((group) => group.name === name);
const alias = (identity: TemplateIdentity, accessor = '') => identity.entity.aliases.get(accessor);

const SELECTORS: readonly Selector[] = [
  { pattern: /^identity\.entity\.(?<id>id)$/, select: ({ entity }) => entity.id },
  { pattern: /^identity\.entity\.(?<name>name)$/, select: ({ entity }) => entity.name },
  {
    pattern: /^identity\.entity\.metadata\.(?<key>.+)$/,
    select: ({ entity }, { key }) => member(entity.metadata, key),
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.id$/,
    select: (identity, { accessor }) => alias(identity, accessor)?.id,
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.name$/,
    select: (identity, { accessor }) => alias(identity, accessor)?.name,
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.metadata\.(?<key>.+)$/,
    select: (identity, { accessor, key }) => member(alias(identity, accessor)?.metadata, key),
  },
  {
    pattern: /^identity\.entity\.aliases\.(?<accessor>[^.]+)\.custom_metadata\.(?<key>.+)$/,
    select: (identity, { accessor, key }) => member(alias(identity, accessor)?.customMetadata, key),
  },
  {
    pattern: /^identity\.groups\.ids\.(?<id>[^.]+)\.name$/,
    select: (identity, { id }) => groupById(identity, id)?.name,
  },
  {
    pattern: /^identity\.groups\.ids\.(?<id>[^.]+)\.metadata\.(?<key>.+)$/,
    select: (identity, { id, key }) => member(groupById(identity, id)?.metadata, key),
  },
  {
    pattern: /^identity\.groups\.names\.(?<name>.+?)\.id$/,
    select: (identity, { name }) => groupByName(identity, name)?.id,
  },
  {
    pattern: /^identity\.groups\.names\.(?<name>.+?)\.metadata\.(?<key>.+)$/,
    select: (identity, { name, key }) => member(groupByName(identity, name)?.metadata, key),
  },
];
