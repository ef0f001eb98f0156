import type { Acl, AclRule } from './acl.ts';

export interface ResultantPath {
  readonly capabilities: readonly string[];
}

/** What `sys/internal/ui/resultant-acl` prints: the merged rules by path; the web interface decides by it what to show. */
export interface ResultantAcl {
  readonly root: boolean;
  readonly exact_paths: Readonly<Record<string, ResultantPath>>;
  /** Prefixes without their `*`, and paths with `+` segments. */
  readonly glob_paths: Readonly<Record<string, ResultantPath>>;
}

export function resultantAcl(acl: Acl): ResultantAcl {
  const isExact = (rule: AclRule) => !rule.isPrefix && rule.plusCount === 0;
  return {
    root: acl.root,
    exact_paths: table(acl.rules.filter(isExact)),
    glob_paths: table(acl.rules.filter((rule) => !isExact(rule))),
  };
}

function table(rules: readonly AclRule[]): Record<string, ResultantPath> {
  const paths: Record<string, ResultantPath> = Object.create(null);
  for (const rule of rules) {
    paths[rule.isPrefix ? rule.path.slice(0, -1) : rule.path] = {
      capabilities: rule.capabilities.size > 0 ? [...rule.capabilities].sort() : ['deny'],
    };
  }
  return paths;
}
