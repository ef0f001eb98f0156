import { InvalidRequest } from '../../base/errors.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { path } from '../../engine/engine.ts';
import { integer, restOfPath } from '../../engine/fields.ts';
import { findVersion } from './data.ts';
import { secretPath } from './records.ts';
import { isGone, shownVersion } from './shown.ts';

export const subkeysPath = path({
  pattern: 'subkeys/{path...}',
  summary: 'The keys of a secret without its values.',
  fields: {
    path: restOfPath('Where the secret lies.'),
    version: integer({ description: 'The version to look into; the newest if 0 or not given.' }),
    depth: integer({ description: 'How deep to go; 0 goes all the way.', default: 0 }),
  },
  operations: {
    read: {
      handler(context, input) {
        if (input.depth < 0) throw new InvalidRequest('depth cannot be negative');
        const { secret, version, record } = findVersion(context, secretPath(input.path), input.version);
        const metadata = shownVersion(secret, version, record);
        if (isGone(record, context.clock.now())) return { status: 404, data: { subkeys: null, metadata } };
        const depth = input.depth === 0 ? Number.POSITIVE_INFINITY : input.depth;
        return { data: { subkeys: subkeys(record.data ?? {}, depth), metadata } };
      },
    },
  },
});

/** Everything that is not an object with members of its own becomes null. */
function subkeys(data: UnknownRecord, depth: number): UnknownRecord {
  const keys: UnknownRecord = Object.create(null);
  for (const [key, value] of Object.entries(data)) {
    const inner = depth > 1 && isRecord(value) && Object.keys(value).length > 0;
    keys[key] = inner ? subkeys(value, depth - 1) : null;
  }
  return keys;
}
