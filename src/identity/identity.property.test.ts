/** Whatever is done to identities in whatever order, their records and indexes agree, and nothing is left over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDomains } from '../../test/domains.ts';
import type { Session } from '../barrier/session.ts';
import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import type { EngineType } from '../engine/engine.ts';
import { deleteAlias, writeAlias } from './aliases.ts';
import { createEntity, deleteEntity, updateEntity } from './entities.ts';
import { createGroup, deleteGroup, deleteGroupAlias, updateGroup, writeGroupAlias } from './groups.ts';
import { Identity } from './identity.ts';
import { mergeEntities } from './merge.ts';
import type { Alias, Entity, Group, IdentityRecords } from './records.ts';
import type { Scope } from './scope.ts';

const METHOD: EngineType = { type: 'method', class: 'auth', summary: '', open: () => ({ paths: [] }) };

/** Picks one of what is there, by a number; undefined when nothing is. */
const pick = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)];

interface World {
  readonly scope: Scope;
  readonly identity: Identity;
  readonly session: Session;
  readonly mounts: readonly [string, string];
  entities(): Entity[];
  aliases(): Alias[];
  groups(): Group[];
}
type Step = (world: World) => void;

const n = fc.nat(11);
const names = ['ann', 'bob', 'Cy'];
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(n, n, fc.option(fc.subarray(['red', 'blue']), { nil: undefined }))
    .map(([at, who, groupAliases]): Step => {
      return ({ identity, session, mounts, scope }) => {
        const mount = scope.mounts.byAccessor(pick(mounts, at)!)!;
        identity.login(session, mount, { aliasName: pick(names, who)!, groupAliases });
      };
    }),
  n.map(
    (who): Step =>
      ({ scope }) =>
        void createEntity(scope, { name: pick(['x', 'X', 'y', ''], who) }),
  ),
  fc.tuple(n, n).map(
    ([a, b]): Step =>
      ({ scope, entities }) => {
        const entity = pick(entities(), a);
        if (entity) updateEntity(scope, entity, { name: pick(['x', 'Z', 'y'], b), disabled: b === 7 });
      },
  ),
  fc.tuple(n, n, n).map(
    ([a, b, c]): Step =>
      ({ scope, entities, aliases, mounts }) => {
        const alias = pick([undefined, ...aliases()], a);
        writeAlias(scope, {
          id: alias?.id,
          name: pick(names, b),
          accessor: pick(mounts, c),
          canonicalId: pick([undefined, ...entities()], b + c)?.id,
        });
      },
  ),
  fc.tuple(n, n, n, fc.boolean()).map(
    ([a, b, c, choose]): Step =>
      ({ scope, entities, aliases }) => {
        const [to, one, two] = [a, b, c].map((at) => pick(entities(), at));
        const kept = aliases().filter((alias) => choose && alias.canonicalId === to?.id);
        mergeEntities(scope, {
          toId: to?.id ?? '',
          fromIds: [one, ...(choose ? [] : [two])].flatMap((entity) => entity?.id ?? []),
          aliasIdsToKeep: kept.map(({ id }) => id),
        });
      },
  ),
  n.map(
    (a): Step =>
      ({ scope, entities }) => {
        const entity = pick(entities(), a);
        if (entity) deleteEntity(scope, entity);
      },
  ),
  n.map(
    (a): Step =>
      ({ scope, aliases }) => {
        const alias = pick(aliases(), a);
        if (alias) deleteAlias(scope, alias);
      },
  ),
  fc.tuple(n, n, n).map(
    ([a, b, c]): Step =>
      ({ scope, entities, groups }) => {
        createGroup(scope, {
          type: a % 3 === 0 ? 'external' : 'internal',
          ...(a % 3 === 0 ? {} : { memberEntityIds: [b, c].flatMap((at) => pick(entities(), at)?.id ?? []) }),
          ...(a % 3 === 0 ? {} : { memberGroupIds: [b].flatMap((at) => pick(groups(), at)?.id ?? []) }),
        });
      },
  ),
  fc.tuple(n, n, n).map(
    ([a, b, c]): Step =>
      ({ scope, entities, groups }) => {
        const group = pick(groups(), a);
        if (!group) return;
        updateGroup(scope, group, {
          memberEntityIds: [b, c].flatMap((at) => pick(entities(), at)?.id ?? []),
          memberGroupIds: [b, c].flatMap((at) => pick(groups(), at)?.id ?? []),
        });
      },
  ),
  n.map(
    (a): Step =>
      ({ scope, groups }) => {
        const group = pick(groups(), a);
        if (group) deleteGroup(scope, group);
      },
  ),
  fc.tuple(n, n, n).map(
    ([a, b, c]): Step =>
      ({ scope, groups, mounts }) => {
        const id = pick([undefined, ...groups()], b)?.id;
        writeGroupAlias(scope, {
          name: pick(['red', 'blue'], a),
          accessor: pick(mounts, c),
          canonicalId: id,
        });
      },
  ),
  n.map(
    (a): Step =>
      ({ scope, groups }) => {
        const alias = pick(groups(), a)?.alias;
        const found = alias && scope.records.aliasById('group', alias.id);
        if (found) deleteGroupAlias(scope, found);
      },
  ),
  n.map(
    (a): Step =>
      ({ identity, session, mounts }) => {
        identity.forgetMount(session, 'root', pick(mounts, a)!, 2);
      },
  ),
);

test('records and indexes agree after any steps', async () => {
  const domains = await openDomains({ engines: [METHOD] });
  const setUp = domains.session();
  const mounts = ['one', 'two'].map(
    (path) => domains.mounts.enable(setUp, { path, class: 'auth', type: 'method' }).entry.accessor,
  );
  setUp.apply();
  const identity = new Identity(domains);
  await fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 40 }), (some) => {
      const session = domains.session();
      const world = worldOf(identity, session, [mounts[0]!, mounts[1]!]);
      for (const step of some) {
        try {
          const trial = domains.session();
          // A refused step is discarded as a whole, as a refused request is: so it is tried first.
          replay(session, trial);
          step(worldOf(identity, trial, [mounts[0]!, mounts[1]!]));
        } catch (error) {
          if (!(error instanceof InvalidRequest || error instanceof PermissionDenied)) throw error;
          continue;
        }
        step(world);
        checkAgreement(world);
      }
      session.discard();
    }),
    { numRuns: 300 },
  );
});

/** Copies what one session has written of identities into another that has seen none of it. */
function replay(from: Session, to: Session): void {
  const [source, target] = [from.view('identity/root/'), to.view('identity/root/')];
  for (const key of source.keys('')) {
    const entry = source.getIndex(key);
    if (entry === undefined) target.put(key, source.get(key));
    else target.putIndex(key, entry);
  }
}

function worldOf(identity: Identity, session: Session, mounts: World['mounts']): World {
  const scope = identity.within(session, 'root');
  const { records } = scope;
  const all = <T>(ids: readonly string[], get: (id: string) => T | undefined) =>
    ids.map((id) => get(id)).filter((item) => item !== undefined);
  return {
    scope,
    identity,
    session,
    mounts,
    entities: () => all(records.ids('entity', {}), (id) => records.entity(id)),
    aliases: () => all(records.ids('entity-alias', {}), (id) => records.aliasById('entity', id)),
    groups: () => all(records.ids('group', {}), (id) => records.group(id)),
  };
}

function checkAgreement({ scope, session, entities, aliases, groups }: World): void {
  const { records } = scope;
  const there = entities();
  assert.equal(records.entityCount(), there.length);
  assert.equal(records.names('entity', {}).length, there.length);
  for (const entity of there) checkEntity(records, entity);
  const view = session.view('identity/root/');
  assert.equal([...view.keys('entity-alias/name/')].length, aliases().length);
  for (const alias of aliases()) {
    const owner = records.entity(alias.canonicalId);
    assert.ok(
      owner?.aliases.some(({ id }) => id === alias.id),
      'an alias that its entity does not know',
    );
  }
  assert.equal(records.names('group', {}).length, groups().length);
  for (const group of groups()) checkGroup(records, group);
  const groupAliases = groups().filter(({ alias }) => alias !== null).length;
  assert.equal([...view.keys('group-alias/name/')].length, groupAliases);
  assert.equal([...view.keys('group-alias/id/')].length, groupAliases);
  const members = groups().flatMap(({ id }) => records.memberIds(id)).length;
  assert.equal([...view.keys('group/member/')].length, members);
  for (const key of view.keys('entity/merged/'))
    assert.ok(
      records.currentEntity(key.slice('entity/merged/'.length)),
      'a merged entity that leads nowhere',
    );
}

function checkEntity(records: IdentityRecords, entity: Entity): void {
  assert.equal(records.entityByName(entity.name)?.id, entity.id);
  assert.equal(new Set(entity.aliases.map(({ accessor }) => accessor)).size, entity.aliases.length);
  for (const alias of entity.aliases) {
    assert.equal(records.alias('entity', alias.accessor, alias.name)?.canonicalId, entity.id);
    assert.equal(records.aliasById('entity', alias.id)?.name, alias.name);
  }
  assert.equal(new Set(entity.groupIds).size, entity.groupIds.length);
  for (const id of entity.groupIds) assert.ok(records.isMember(id, entity.id));
  for (const id of entity.mergedIds) assert.equal(records.currentEntity(id)?.id, entity.id);
}

function checkGroup(records: IdentityRecords, group: Group): void {
  assert.equal(records.groupByName(group.name)?.id, group.id);
  for (const id of records.memberIds(group.id)) assert.ok(records.entity(id)?.groupIds.includes(group.id));
  for (const id of group.memberGroupIds) assert.ok(records.group(id)?.parentIds.includes(group.id));
  for (const id of group.parentIds) assert.ok(records.group(id)?.memberGroupIds.includes(group.id));
  if (group.alias) assert.equal(records.aliasById('group', group.alias.id)?.canonicalId, group.id);
  const above = new Set<string>();
  const climb = (id: string) => {
    for (const parent of records.group(id)?.parentIds ?? []) {
      assert.notEqual(parent, group.id, 'a group within itself');
      if (above.has(parent)) continue;
      above.add(parent);
      climb(parent);
    }
  };
  climb(group.id);
}
