import type { EnginePath } from '../../engine/engine.ts';
import { type Fields, name, pairs, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, type Reply } from '../../engine/reply.ts';
import { deleteAliasById, writeAlias } from '../../identity/aliases.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { aliasInfo, idList, scopeOf, shownAlias } from './shown.ts';

const commonFields = {
  name: text({ description: 'What the entity is called at the auth method.' }),
  mount_accessor: text({ description: 'Accessor of the auth method’s mount.' }),
  entity_id: text({ description: 'Older name for canonical_id.', deprecated: true }),
};
const canonical_id = text({ description: 'The entity; without one a new one is made.' });
const custom_metadata = pairs({ description: 'What operators note of it; replaces what was there.' });
const metadata = pairs({ description: 'Replaced by what the method says at the next login.' });

/** The same aliases under the names that they have had. */
const FORMS = [
  {
    root: 'entity-alias',
    what: 'alias of an entity',
    fields: { ...commonFields, canonical_id, custom_metadata },
  },
  { root: 'alias', what: 'alias of an entity (older path)', fields: { ...commonFields, canonical_id } },
  { root: 'persona', what: 'alias of an entity (oldest path)', fields: { ...commonFields, metadata } },
] as const;

interface AliasInput {
  name?: string | undefined;
  mount_accessor?: string | undefined;
  entity_id?: string | undefined;
  canonical_id?: string | undefined;
  custom_metadata?: Record<string, string> | undefined;
  metadata?: Record<string, string> | undefined;
}

export function entityAliasPaths(parts: SystemParts): EnginePath[] {
  return FORMS.flatMap(({ root, what, fields }) => aliasPaths(parts, { root, what, fields }));
}

function aliasPaths(
  parts: SystemParts,
  { root, what, fields }: { root: string; what: string; fields: typeof commonFields & Fields },
): EnginePath[] {
  const write = (context: SystemContext, id: string | undefined, input: AliasInput): Reply => {
    const alias = writeAlias(scopeOf(parts, context), {
      id,
      name: input.name,
      accessor: input.mount_accessor,
      canonicalId: input.canonical_id || input.entity_id,
      customMetadata: input.custom_metadata,
      metadata: input.metadata,
    });
    return { data: { canonical_id: alias.canonicalId, id: alias.id } };
  };
  return [
    systemPath({
      pattern: root,
      summary: `Makes an ${what}, or changes the one of that id or name.`,
      fields: { ...fields, id: text({ description: 'An alias to change.' }) },
      operations: { write: { handler: (context, input) => write(context, input.id, input) } },
    }),
    systemPath({
      pattern: `${root}/id`,
      summary: 'Lists the aliases of entities by their ids.',
      fields: pageFields,
      operations: {
        list: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            return idList(scope, 'entity-alias', pageOf(input), (id) => {
              const alias = scope.records.aliasById('entity', id);
              return alias && aliasInfo(scope, alias);
            });
          },
        },
      },
    }),
    systemPath({
      pattern: `${root}/id/{id}`,
      summary: `Shows, changes or deletes an ${what}.`,
      fields: { ...fields, id: name('The alias.') },
      operations: {
        read: {
          handler(context, input) {
            const scope = scopeOf(parts, context);
            const alias = scope.records.aliasById('entity', input.id);
            return dataReply(alias && shownAlias(scope, alias));
          },
        },
        write: { handler: (context, input) => write(context, input.id, input) },
        delete: {
          handler: (context, input) => void deleteAliasById(scopeOf(parts, context), input.id),
        },
      },
    }),
  ];
}
