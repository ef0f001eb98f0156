import type { HclString } from '../hcl/hcl.ts';
import { type Finding, Scope } from './findings.ts';

/** The process's variables, and where to put what is wrong with them. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly findings: Finding[];
}

/** A later prefix counts more: Coffer's own variable beats Vault's. */
const PREFIXES = ['VAULT_', 'BAO_', 'COFFER_'];

/**
 * The variable that overrides a field, as a value like those of files. Names that begin with `*` are tried with every
 * prefix, `*UI` as `COFFER_UI` first and `VAULT_UI` last; a variable that is empty counts as not set.
 */
export function environmentValue(
  { variables, findings }: Environment,
  names: readonly string[],
): { value: HclString; scope: Scope } | undefined {
  const all = names.flatMap((name) =>
    name.startsWith('*') ? PREFIXES.toReversed().map((prefix) => prefix + name.slice(1)) : [name],
  );
  for (const name of all) {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (!value) continue;
    const scope = new Scope('environment', findings, name);
    return { value: { kind: 'string', value, line: 0, column: 0 }, scope };
  }
  return undefined;
}
