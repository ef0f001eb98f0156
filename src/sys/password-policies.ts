import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { pageFields } from '../engine/paging.ts';
import { listReply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import type { PasswordPolicies } from '../policies/password-store.ts';

/** `sys/policies/password/*`: how generated passwords look. */
export function passwordPolicyPaths(policies: PasswordPolicies): EnginePath[] {
  const policyName = text({ description: 'The password policy.', required: true });
  const list = {
    handler: (context: SystemContext) => listReply(policies.list(context.session, context.namespace.id)),
  };
  return [
    systemPath({
      pattern: 'policies/password',
      summary: 'Lists the password policies.',
      fields: pageFields,
      operations: { list, read: list },
    }),
    systemPath({
      pattern: 'policies/password/{name}',
      summary: 'A password policy: length and characters of generated passwords.',
      fields: {
        name: policyName,
        policy: text({ description: 'Its rules, HCL or JSON, plain or in base64.' }),
      },
      operations: {
        read: {
          handler(context, input) {
            const policy = policies.get(context.session, context.namespace.id, input.name);
            if (policy === undefined) throw new NotFound();
            return { data: { policy } };
          },
        },
        write: {
          handler(context, input) {
            if (!input.policy) throw new InvalidRequest('missing policy');
            policies.put(context.session, context.namespace.id, { name: input.name, text: input.policy });
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            policies.delete(context.session, context.namespace.id, input.name);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'policies/password/{name}/generate',
      summary: 'Generates a password by a policy.',
      fields: { name: policyName },
      operations: {
        read: {
          handler(context, input) {
            if (policies.get(context.session, context.namespace.id, input.name) === undefined)
              throw new NotFound();
            return {
              data: { password: policies.generate(context.session, context.namespace.id, input.name) },
            };
          },
        },
      },
    }),
  ];
}
