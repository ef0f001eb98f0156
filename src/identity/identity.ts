import type { Session } from '../barrier/session.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Mounts, OpenMount } from '../mounts/mounts.ts';
import { namespaceIdOf, type Token } from '../tokens/token.ts';
import { deleteAlias } from './aliases.ts';
import { deleteGroupAlias } from './groups.ts';
import { type Claim, entityForLogin, syncGroups } from './logins.ts';
import { IdentityRecords } from './records.ts';
import { type Rights, RightsCache } from './rights.ts';
import type { Scope } from './scope.ts';

export interface IdentityOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly mounts: Pick<Mounts, 'table'>;
}

/** What the host asks of identities: at logins, at each request, and when a mount goes. */
export class Identity {
  readonly #options: IdentityOptions;
  readonly #rights = new RightsCache();

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  within(session: Session, namespaceId: string): Scope {
    const { clock, random, mounts } = this.#options;
    const records = new IdentityRecords(session, namespaceId);
    return { clock, random, namespaceId, records, mounts: mounts.table(session, namespaceId) };
  }

  /** The rights of whom a login claims to be; the entity is made where there is none. Throws `PermissionDenied`. */
  login(session: Session, mount: OpenMount, claim: Claim): Rights {
    const scope = this.within(session, mount.info.namespace.id);
    const entity = entityForLogin(scope, mount, claim);
    const rights = this.#rights.find(scope.records, entity.id);
    if (!rights) throw new Error('the entity of a login is missing');
    return rights;
  }

  /** What a token's entity adds to it; undefined when it has none, or it is gone: see `rightsInForce`. */
  rightsOfToken(session: Session, token: Pick<Token, 'entityId' | 'namespaceId'>): Rights | undefined {
    if (token.entityId === '') return undefined;
    return this.#rights.find(new IdentityRecords(session, namespaceIdOf(token)), token.entityId);
  }

  /** How many entities there are. */
  count(session: Session, namespaceId: string): number {
    return new IdentityRecords(session, namespaceId).entityCount();
  }

  /** What a method said of groups when a login was renewed. */
  renewed(
    session: Session,
    { info, entry }: OpenMount,
    entityId: string,
    groupAliases: readonly string[],
  ): void {
    const scope = this.within(session, info.namespace.id);
    const entity = scope.records.currentEntity(entityId);
    if (entity) syncGroups(scope, entity, entry.accessor, groupAliases);
  }

  /** Deletes some of a mount's aliases; true when none is left. */
  forgetMount(session: Session, namespaceId: string, accessor: string, limit: number): boolean {
    const scope = this.within(session, namespaceId);
    for (const alias of scope.records.aliasesOfMount('entity', accessor, limit)) deleteAlias(scope, alias);
    for (const alias of scope.records.aliasesOfMount('group', accessor, limit))
      deleteGroupAlias(scope, alias);
    return !scope.records.hasAliases('entity', accessor) && !scope.records.hasAliases('group', accessor);
  }
}
