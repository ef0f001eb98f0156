import { InvalidRequest } from '../../base/errors.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { duration, list, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import { ALGORITHMS, type Algorithm } from '../../identity/oidc/algorithms.ts';
import { existingKey, readyKey, rotateKey } from '../../identity/oidc/oidc.ts';
import { DEFAULT, type OidcRecords, type SigningKey } from '../../identity/oidc/records.ts';
import { systemPath } from '../../mounts/system-context.ts';
import type { SystemParts } from '../parts.ts';
import { recordsOf, workOf } from './oidc-shared.ts';

const DAY_SECONDS = 86_400;
const ROTATION_SECONDS_MIN = 60;
const keyName = name('The key.');

/** Named keys that sign identity tokens. */
export function oidcKeyPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'oidc/key',
      summary: 'Lists the keys that sign identity tokens.',
      fields: pageFields,
      operations: {
        list: { handler: (context, input) => listReply(recordsOf(context).names('key', pageOf(input))) },
      },
    }),
    systemPath({
      pattern: 'oidc/key/{name}',
      summary: 'Makes, changes, shows or deletes a key that signs identity tokens.',
      fields: {
        name: keyName,
        rotation_period: duration({ description: 'How often a new key signs; 24h unless set.' }),
        verification_ttl: duration({
          description: 'How long a public key stays published after its time; 24h unless set.',
        }),
        allowed_client_ids: list({ description: 'Clients and roles that may use it; * for all.' }),
        algorithm: text({ description: 'Signature algorithm; RS256 unless set.', choices: ALGORITHMS }),
      },
      operations: {
        read: {
          handler(context, input) {
            const key = recordsOf(context).get('key', input.name);
            return dataReply(key && shownKey(key));
          },
        },
        write: {
          slow: true,
          async handler(context, input) {
            const work = workOf(parts, context);
            const changed = merged(work.records.get('key', input.name), input.name, {
              rotationPeriod: input.rotation_period,
              verificationTtl: input.verification_ttl,
              allowedClientIds: input.allowed_client_ids,
              algorithm: input.algorithm as Algorithm | undefined,
            });
            checkUsers(work.records, changed);
            work.records.put('key', changed);
            context.session.apply();
            await readyKey(work, input.name);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            const records = recordsOf(context);
            refuseToDelete(records, input.name);
            records.delete('key', input.name);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'oidc/key/{name}/rotate',
      summary: 'Lets the next key sign from now on.',
      fields: {
        name: keyName,
        verification_ttl: duration({ description: 'Instead of the key’s own, this once.' }),
      },
      operations: {
        write: {
          slow: true,
          async handler(context, input) {
            const work = workOf(parts, context);
            existingKey(work.records, input.name);
            if ((input.verification_ttl ?? 0) < 0)
              throw new InvalidRequest('verification_ttl cannot be negative');
            await rotateKey(work, input.name, input.verification_ttl);
            return undefined;
          },
        },
      },
    }),
  ];
}

type Changes = {
  [K in 'rotationPeriod' | 'verificationTtl' | 'allowedClientIds' | 'algorithm']: SigningKey[K] | undefined;
};

/** Another algorithm needs new pairs, another period counts from the last rotation. */
function merged(before: SigningKey | undefined, keyName: string, changes: Changes): SigningKey {
  const key: SigningKey = {
    name: keyName,
    algorithm: changes.algorithm ?? before?.algorithm ?? 'RS256',
    rotationPeriod: changes.rotationPeriod ?? before?.rotationPeriod ?? DAY_SECONDS,
    verificationTtl: changes.verificationTtl ?? before?.verificationTtl ?? DAY_SECONDS,
    allowedClientIds: changes.allowedClientIds ?? before?.allowedClientIds ?? [],
  };
  if (key.rotationPeriod < ROTATION_SECONDS_MIN)
    throw new InvalidRequest(`rotation_period must be at least one minute`);
  if (key.verificationTtl < 0) throw new InvalidRequest('verification_ttl cannot be negative');
  if (key.verificationTtl > 10 * key.rotationPeriod)
    throw new InvalidRequest('verification_ttl cannot be longer than 10x rotation_period');
  if (!before?.pairs || before.algorithm !== key.algorithm) return key;
  const { pairs, rotationPeriod } = before;
  return {
    ...key,
    pairs: { ...pairs, rotateAtMs: pairs.rotateAtMs + (key.rotationPeriod - rotationPeriod) * 1000 },
  };
}

/** Nobody may be promised tokens that live longer than their key stays published. */
function checkUsers(records: OidcRecords, key: SigningKey): void {
  const refuse = (what: string): never => {
    throw new InvalidRequest(
      `unable to update key ${JSON.stringify(key.name)} because it is currently referenced by one or more ${what} greater than ${key.verificationTtl} seconds`,
    );
  };
  for (const role of records.all('role'))
    if (role.key === key.name && role.ttl > key.verificationTtl) refuse('roles with a token ttl');
  for (const client of records.all('client'))
    if (client.key === key.name && client.idTokenTtl > key.verificationTtl)
      refuse('clients with an id_token_ttl');
}

function refuseToDelete(records: OidcRecords, keyName: string): void {
  if (keyName === DEFAULT) throw new InvalidRequest('deletion of key "default" not allowed');
  for (const kind of ['role', 'client'] as const) {
    const users = [...records.all(kind)].filter(({ key }) => key === keyName).map((each) => each.name);
    if (users.length > 0)
      throw new InvalidRequest(
        `unable to delete key ${JSON.stringify(keyName)} because it is currently referenced by these ${kind}s: ${users.join(', ')}`,
      );
  }
}

function shownKey(key: SigningKey) {
  return {
    algorithm: key.algorithm,
    allowed_client_ids: key.allowedClientIds,
    rotation_period: key.rotationPeriod,
    verification_ttl: key.verificationTtl,
  };
}
