import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { list, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import { ALLOW_ALL, type OidcRecords, OPENID } from '../../identity/oidc/records.ts';
import { systemPath } from '../../mounts/system-context.ts';
import { recordsOf } from './oidc-shared.ts';
import { checkedTemplate } from './oidc-token.ts';

/** What applications may ask to know, and who may sign in to them. */
export function oidcScopePaths(): EnginePath[] {
  return [...scopePaths(), ...assignmentPaths()];
}

function scopePaths(): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/scope',
      summary: 'Lists the scopes of OpenID providers.',
      fields: pageFields,
      operations: {
        list: { handler: (context, input) => listReply(recordsOf(context).names('scope', pageOf(input))) },
      },
    }),
    systemPath({
      pattern: 'oidc/scope/{name}',
      summary: 'Makes, changes, shows or deletes a scope: claims that an application can ask for.',
      fields: {
        name: name('The scope.'),
        template: text({ description: 'JSON with {{…}} that makes the claims; plain or in base64.' }),
        description: text({ description: 'For humans.' }),
      },
      operations: {
        read: {
          handler(context, input) {
            const scope = recordsOf(context).get('scope', input.name);
            return dataReply(scope && { description: scope.description, template: scope.template });
          },
        },
        write: {
          handler(context, input) {
            if (input.name === OPENID) throw new InvalidRequest('the "openid" scope name is reserved');
            const records = recordsOf(context);
            const before = records.get('scope', input.name);
            records.put('scope', {
              name: input.name,
              description: input.description ?? before?.description ?? '',
              template: checkedTemplate(input.template) ?? before?.template ?? '',
            });
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            const records = recordsOf(context);
            refuseIfUsed('scope', input.name, 'providers', usersOfScope(records, input.name));
            records.delete('scope', input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}

function assignmentPaths(): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/assignment',
      summary: 'Lists the assignments of OpenID clients.',
      fields: pageFields,
      operations: {
        list: {
          handler: (context, input) => listReply(recordsOf(context).names('assignment', pageOf(input))),
        },
      },
    }),
    systemPath({
      pattern: 'oidc/assignment/{name}',
      summary: 'Makes, changes, shows or deletes an assignment: who may sign in to a client.',
      fields: {
        name: name('The assignment.'),
        entity_ids: list({ description: 'Entities.' }),
        group_ids: list({ description: 'Groups.' }),
      },
      operations: {
        read: {
          handler(context, input) {
            const found = recordsOf(context).get('assignment', input.name);
            return dataReply(found && { entity_ids: found.entityIds, group_ids: found.groupIds });
          },
        },
        write: {
          handler(context, input) {
            if (input.name === ALLOW_ALL)
              throw new InvalidRequest(`modification of assignment ${JSON.stringify(ALLOW_ALL)} not allowed`);
            const records = recordsOf(context);
            const before = records.get('assignment', input.name);
            records.put('assignment', {
              name: input.name,
              entityIds: input.entity_ids ?? before?.entityIds ?? [],
              groupIds: input.group_ids ?? before?.groupIds ?? [],
            });
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            if (input.name === ALLOW_ALL)
              throw new InvalidRequest(`deletion of assignment ${JSON.stringify(ALLOW_ALL)} not allowed`);
            const records = recordsOf(context);
            refuseIfUsed('assignment', input.name, 'clients', usersOfAssignment(records, input.name));
            records.delete('assignment', input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}

function usersOfScope(records: OidcRecords, scope: string): string[] {
  return [...records.all('provider')]
    .filter(({ scopesSupported }) => scopesSupported.includes(scope))
    .map((provider) => provider.name);
}

function usersOfAssignment(records: OidcRecords, assignment: string): string[] {
  return [...records.all('client')]
    .filter(({ assignments }) => assignments.includes(assignment))
    .map((client) => client.name);
}

function refuseIfUsed(what: string, named: string, users: string, names: readonly string[]): void {
  if (names.length > 0)
    throw new InvalidRequest(
      `unable to delete ${what} ${JSON.stringify(named)} because it is currently referenced by these ${users}: ${names.join(', ')}`,
    );
}
