import { InvalidRequest, NotFound } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, restOfPath, text } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply } from '../engine/reply.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** Records that are readable while sealed, hence not the barrier's; nobody mends them by hand. */
const PROTECTED = new Set([
  'core/keyring',
  'core/root-key',
  'core/seal-config',
  'core/recovery-config',
  'core/cluster',
  'core/previous-shares',
  // Rotating the root key and retiring keys rely on them.
  'core/shares-public-key',
  'core/reencryption',
  'core/restored',
]);

/** `sys/raw`, where the configuration turns it on: stored records, decrypted, for the repair of last resort. */
export function rawPaths({ server }: SystemParts): EnginePath[] {
  if (!server.rawStorageEndpoint) return [];
  return ['raw', 'raw/{path...}'].map((pattern) =>
    systemPath({
      pattern,
      summary:
        'Stored records as they lie in the store, decrypted. What is open in memory does not notice a change.',
      sudo: true,
      fields: {
        path: restOfPath('The record’s key in the store.'),
        value: text({ description: 'The record: JSON text.', secret: true }),
        encoding: text({
          description: 'base64: the value is, or shall be, in base64.',
          choices: ['', 'base64'],
          default: '',
          query: true,
        }),
        compressed: boolean({
          description: 'Kept for compatibility: records are not compressed.',
          query: true,
        }),
        compression_type: text({ description: 'Kept for compatibility; must be empty.', choices: [''] }),
        ...pageFields,
      },
      operations: {
        read: {
          handler(context, input) {
            const value = context.session.view('').get<unknown>(allowed(input.path));
            if (value === undefined) throw new NotFound();
            const json = JSON.stringify(value);
            return {
              data: { value: input.encoding === 'base64' ? Buffer.from(json).toString('base64') : json },
            };
          },
        },
        write: {
          handler(context, input) {
            context.session.view('').put(allowed(input.path), parse(input.value, input.encoding));
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            context.session.view('').delete(allowed(input.path));
            return undefined;
          },
        },
        list: {
          handler: (context, input) =>
            listReply(context.session.view('').list(folder(input.path), pageOf(input))),
        },
      },
    }),
  );
}

function allowed(path: string): string {
  if (path === '') throw new InvalidRequest('path must be given');
  if (PROTECTED.has(path)) throw new InvalidRequest(`cannot access '${path}'`);
  return path;
}

function parse(value: string | undefined, encoding: string): unknown {
  if (value === undefined) throw new InvalidRequest('value must be given');
  try {
    return JSON.parse(encoding === 'base64' ? Buffer.from(value, 'base64').toString() : value);
  } catch {
    throw new InvalidRequest('value is not JSON');
  }
}

function folder(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}
