import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { MountTable, OpenMount } from '../mounts/mounts.ts';
import type { IdentityRecords } from './records.ts';

/** What work on one namespace's identities has at hand. */
export interface Scope {
  readonly records: IdentityRecords;
  readonly namespaceId: string;
  /** The namespace's. */
  readonly mounts: Pick<MountTable, 'byAccessor'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** The auth method of an accessor, in this namespace. */
export function authMount({ mounts }: Scope, accessor: string): OpenMount | undefined {
  const mount = mounts.byAccessor(accessor);
  return mount?.entry.class === 'auth' ? mount : undefined;
}

/** Throws `InvalidRequest`. */
export function existingMount(scope: Scope, accessor: string | undefined): OpenMount {
  if (!accessor) throw new InvalidRequest('missing mount_accessor');
  const mount = authMount(scope, accessor);
  if (!mount) throw new InvalidRequest(`invalid mount accessor ${JSON.stringify(accessor)}`);
  return mount;
}

/** The spelling under which the method knows who is called so. */
export function canonicalAliasName(mount: OpenMount | undefined, name: string): string {
  return mount?.engine?.canonicalAliasName?.(name) ?? name;
}

/** A name that nobody has, like `entity_1f0c2d3e`. */
export function freeName({ random }: Scope, kind: string, isTaken: (name: string) => boolean): string {
  for (;;) {
    const name = `${kind}_${random.bytes(4).toString('hex')}`;
    if (!isTaken(name)) return name;
  }
}
