import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { EnginePath, EngineType } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** `sys/plugins/catalog`: the types that can be mounted. All are built in; none can be registered. */
export function pluginPaths({ mounts }: SystemParts): EnginePath[] {
  const names = (type: string): string[] => {
    const kind = KINDS.get(type);
    if (!kind) throw new InvalidRequest(`${JSON.stringify(type)} is not a plugin type`);
    return mounts
      .types(kind)
      .filter((each) => !each.host)
      .flatMap(named)
      .sort();
  };
  const type = text({ description: 'auth or secret.', required: true });
  return [
    systemPath({
      pattern: 'plugins/catalog',
      summary: 'Lists the types that can be mounted.',
      fields: {},
      operations: {
        read: {
          handler() {
            const detailed = ['auth', 'secret'].flatMap((kind) =>
              names(kind).map((name) => ({
                builtin: true,
                deprecation_status: 'supported',
                name,
                type: kind,
                version: '',
              })),
            );
            return {
              data: {
                auth: names('auth'),
                database: ['postgresql-database-plugin'],
                secret: names('secret'),
                detailed,
              },
            };
          },
        },
      },
    }),
    systemPath({
      pattern: 'plugins/catalog/{type}',
      summary: 'Lists the types of a kind.',
      fields: { type },
      operations: { list: { handler: (_, input) => ({ data: { keys: names(input.type) } }) } },
    }),
    systemPath({
      pattern: 'plugins/catalog/{type}/{name}',
      summary: 'Shows a type.',
      sudo: true,
      fields: { type, name: text({ description: 'The type’s name.', required: true }) },
      operations: {
        read: {
          handler(_, input) {
            if (!names(input.type).includes(input.name)) throw new NotFound();
            return {
              data: {
                args: null,
                builtin: true,
                command: '',
                deprecation_status: 'supported',
                name: input.name,
                sha256: '',
                version: '',
              },
            };
          },
        },
      },
    }),
  ];
}

const KINDS = new Map<string, 'auth' | 'secret'>([
  ['auth', 'auth'],
  ['secret', 'secret'],
]);

function named(type: EngineType): string[] {
  return type.singleton ? [] : [type.type];
}
