import { rfc3339 } from '../base/clock.ts';
import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, duration, integer, restOfPath, text, time } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply, type Reply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { lintPolicy } from '../policies/lint.ts';
import { normalPolicyName } from '../policies/names.ts';
import type { PolicyWrite } from '../policies/store.ts';
import { mountsOf, type SystemParts } from './parts.ts';

const writeFields = {
  name: restOfPath('The policy; upper and lower case are the same.', { canonical: normalPolicyName }),
  policy: text({ description: 'Its rules, HCL or JSON, plain or in base64.' }),
  rules: text({ description: 'Older name for policy.', deprecated: true }),
  ttl: duration({ description: 'The policy ends after this.' }),
  expiration: time({ description: 'The policy ends then.' }),
  cas: integer({ description: 'The version that must be there; -1 for none.' }),
  cas_required: boolean({ description: 'Writes must give cas from now on.' }),
  allow_slashes_in_identity_templates: boolean({ description: 'Template values may hold slashes.' }),
  allow_wildcards_in_identity_templates: boolean({ description: 'Template values may hold * and +.' }),
  ...pageFields,
};

/** `sys/policies/acl` and its older form `sys/policy`: the same records. */
export function policyPaths(parts: SystemParts): EnginePath[] {
  return [...aclPaths(parts), ...detailedPaths(parts), ...legacyPaths(parts)];
}

function aclPaths(parts: SystemParts): EnginePath[] {
  const { policies } = parts;
  return [
    systemPath({
      pattern: 'policies/acl',
      summary: 'Lists the policies.',
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) =>
            listReply(policies.list(context.session, context.namespace.id, '', pageSet(input))),
        },
      },
    }),
    systemPath({
      pattern: 'policies/acl/{name...}',
      summary: 'A policy: what tokens that have it may do.',
      fields: writeFields,
      operations: {
        read: {
          handler(context, input) {
            const policy = policies.get(context.session, context.namespace.id, input.name);
            if (!policy) throw new NotFound();
            return { data: { name: policy.name, policy: policy.text, ...expiry(policy) }, topLevel: 'also' };
          },
        },
        write: { handler: (context, input) => write(parts, context, input.name, input) },
        patch: {
          handler(context, input) {
            const policy = policies.patch(context.session, context.namespace.id, {
              ...given(input),
              name: input.name,
            });
            return warned(parts, context, policy);
          },
        },
        delete: { handler: (context, input) => remove(parts, context, input.name) },
        list: {
          handler: (context, input) =>
            listReply(
              policies.list(context.session, context.namespace.id, folder(input.name), pageSet(input)),
            ),
        },
      },
    }),
  ];
}

function detailedPaths({ policies }: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'policies/detailed/acl',
      summary: 'Lists the policies with their versions.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const names = policies.list(context.session, context.namespace.id, '', pageSet(input));
            const info = names.flatMap((policyName) => {
              const policy = policies.get(context.session, context.namespace.id, policyName);
              return policy ? [[policyName, detail(policy)] as const] : [];
            });
            return listReply(names, Object.fromEntries(info));
          },
        },
      },
    }),
    systemPath({
      pattern: 'policies/detailed/acl/{name...}',
      summary: 'A policy with its version and times.',
      fields: { name: restOfPath('The policy.', { canonical: normalPolicyName }) },
      operations: {
        read: {
          handler(context, input) {
            const policy = policies.get(context.session, context.namespace.id, input.name);
            if (!policy) throw new NotFound();
            return { data: { name: policy.name, policy: policy.text, ...detail(policy) } };
          },
        },
      },
    }),
  ];
}

function legacyPaths(parts: SystemParts): EnginePath[] {
  const { policies } = parts;
  const names = (
    context: SystemContext,
    input: { after?: string | undefined; limit?: number | undefined },
  ): Reply => {
    const all = policies.list(context.session, context.namespace.id, '', pageSet(input));
    return { data: { keys: all, policies: all }, topLevel: 'also' };
  };
  return [
    systemPath({
      pattern: 'policy',
      summary: 'Lists the policies. Older form of policies/acl.',
      fields: pageFields,
      operations: { read: { handler: names }, list: { handler: names } },
    }),
    systemPath({
      pattern: 'policy/{name...}',
      summary: 'A policy. Older form of policies/acl.',
      fields: writeFields,
      operations: {
        read: {
          handler(context, input) {
            const policy = policies.get(context.session, context.namespace.id, input.name);
            if (!policy) throw new NotFound();
            return { data: { name: policy.name, rules: policy.text }, topLevel: 'also' };
          },
        },
        write: { handler: (context, input) => write(parts, context, input.name, input) },
        delete: { handler: (context, input) => remove(parts, context, input.name) },
        list: { handler: (context, input) => names(context, input) },
      },
    }),
  ];
}

type WriteInput = {
  policy?: string | undefined;
  rules?: string | undefined;
  ttl?: number | undefined;
  expiration?: number | undefined;
  cas?: number | undefined;
  cas_required?: boolean | undefined;
  allow_slashes_in_identity_templates?: boolean | undefined;
  allow_wildcards_in_identity_templates?: boolean | undefined;
};

function given(input: WriteInput): Partial<PolicyWrite> {
  const source = input.policy ?? input.rules;
  return {
    ...(source === undefined ? {} : { text: source }),
    cas: input.cas,
    casRequired: input.cas_required,
    ttlSeconds: input.ttl,
    expiresAtMs: input.expiration,
    allowSlashes: input.allow_slashes_in_identity_templates,
    allowWildcards: input.allow_wildcards_in_identity_templates,
  };
}

function write(
  parts: SystemParts,
  context: SystemContext,
  policyName: string,
  input: WriteInput,
): Reply | undefined {
  const policy = parts.policies.put(context.session, context.namespace.id, {
    ...given(input),
    name: policyName,
    text: input.policy ?? input.rules ?? '',
  });
  return warned(parts, context, policy);
}

/** What is legal and yet hardly meant: a rule on a KV v2 mount without `data/`, above all. */
function warned(
  parts: SystemParts,
  context: SystemContext,
  policy: ReturnType<SystemParts['policies']['put']>,
): Reply | undefined {
  const kvV2Mounts = mountsOf(parts, context)
    .list('secret')
    .filter(({ entry }) => entry.type === 'kv' && entry.options.version === '2')
    .map(({ info }) => info.path);
  const warnings = lintPolicy(policy, { kvV2Mounts });
  return warnings.length > 0 ? { warnings } : undefined;
}

function remove(parts: SystemParts, context: SystemContext, policyName: string): undefined {
  if (policyName === '') throw new InvalidRequest('policy name is missing');
  parts.policies.delete(context.session, context.namespace.id, policyName);
  return undefined;
}

type Shown = { version: number; modifiedAtMs: number; casRequired: boolean; expiresAtMs?: number };

function detail(policy: Shown) {
  return {
    version: policy.version,
    modified: rfc3339(policy.modifiedAtMs),
    cas_required: policy.casRequired,
    ...expiry(policy),
  };
}
function expiry(policy: { expiresAtMs?: number }) {
  return policy.expiresAtMs === undefined ? {} : { expiration: rfc3339(policy.expiresAtMs) };
}

function folder(prefix: string): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
}
function pageSet(input: { after?: string | undefined; limit?: number | undefined }): {
  after?: string;
  limit?: number;
} {
  const { after, limit } = pageOf({ after: input.after, limit: input.limit });
  return { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
}
