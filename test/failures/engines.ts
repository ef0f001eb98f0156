/** Engines that misbehave when a test wants it, for what the host must put up with. */
import type { UnknownRecord } from '../../src/base/json.ts';
import { type EnginePath, type EngineType, path } from '../../src/engine/engine.ts';
import { name } from '../../src/engine/fields.ts';

/** What goes wrong now; a test changes it while the engine is open. */
export interface Trouble {
  opening?: Error;
  /** Called for each revocation with what the lease carries; a throw or rejection fails it. */
  revoking?: (internal: UnknownRecord) => void | Promise<void>;
}

/**
 * Gives leases on `creds/{name}` (revoked outside) and `local/{name}` (revoked at once), by roles at `role/{name}`. Type
 * `unreliable`, as a secrets engine and as an auth method.
 */
export function unreliableEngine(trouble: Trouble, kind: 'secret' | 'auth' = 'secret'): EngineType {
  const revoke = (_: unknown, internal: UnknownRecord) => trouble.revoking?.(internal);
  return {
    type: 'unreliable',
    class: kind,
    summary: 'Fails when it is told to.',
    open() {
      if (trouble.opening) throw trouble.opening;
      return {
        paths: [rolePath, leasePath('creds'), leasePath('local')],
        leases: { creds: { outside: true, revoke }, local: { revoke } },
      };
    },
  };
}

const rolePath = path({
  pattern: 'role/{name}',
  summary: 'Anything.',
  fields: { name: name('The role.') },
  freeForm: true,
  operations: {
    read: { handler: ({ view }, input) => ({ data: view.get<UnknownRecord>(`role/${input.name}`) ?? {} }) },
    write: {
      handler({ view, request }, input) {
        view.put(`role/${input.name}`, request.data);
        return undefined;
      },
    },
    delete: {
      handler({ view }, input) {
        view.delete(`role/${input.name}`);
        return undefined;
      },
    },
  },
});

function leasePath(kind: 'creds' | 'local'): EnginePath {
  return path({
    pattern: `${kind}/{name}`,
    summary: 'Gives a lease.',
    fields: { name: name('The role.') },
    operations: {
      read: {
        handler: ({ random }, input) => {
          const login = `${input.name}-${random.base62(8)}`;
          return { data: { login }, lease: { kind, internal: { login }, ttl: 60, renewable: false } };
        },
      },
    },
  });
}
