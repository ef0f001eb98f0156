import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDomains } from '../../test/domains.ts';
import type { Session } from '../barrier/session.ts';
import { persist } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import { idSuffix, NAMESPACED_KINDS, namespacedPrefix, namespaceIdIn, ROOT_NAMESPACE } from './namespace.ts';
import { servedEverywhere, servedLocked } from './restricted.ts';

async function open(disk?: Parameters<typeof openDomains>[0]) {
  const domains = await openDomains(disk);
  const { namespaces, session } = domains;
  const write = async <T>(work: (session: Session) => T): Promise<T> => {
    const within = session();
    const result = work(within);
    await persist(within);
    return result;
  };
  const create = (name: string, parent = ROOT_NAMESPACE) =>
    write((within) => namespaces.create(within, parent, { name, customMetadata: {} }));
  return { ...domains, write, create };
}

test('the tree is there again after a restart, with locks and interrupted deletions', async () => {
  const { namespaces, write, create, disk } = await open();
  const a = await create('a');
  const b = await create('b', a);
  await create('c');
  await write((within) => namespaces.lock(within, a));
  await write((within) => namespaces.leave(within, b));
  const again = await open({ disk });
  assert.deepEqual(
    [...again.namespaces.descendants(ROOT_NAMESPACE)].map(({ path }) => path),
    ['a/', 'a/b/', 'c/'],
  );
  assert.deepEqual(
    again.namespaces.load(again.session()).map(({ path }) => path),
    ['a/b/'],
  );
  assert.equal(again.namespaces.lockOver(again.namespaces.byId(b.id)!)?.path, 'a/');
  assert.equal(again.namespaces.isOpen(again.namespaces.byId(b.id)!), false);
});

test('a request that fails leaves no namespace behind', async () => {
  const { namespaces, session } = await open();
  const within = session();
  namespaces.create(within, ROOT_NAMESPACE, { name: 'a', customMetadata: {} });
  within.discard();
  assert.equal(namespaces.any, false);
});

test('what is below one that is being deleted is as closed, and nothing new comes into it', async () => {
  const { namespaces, write, create } = await open();
  const a = await create('a');
  const b = await create('b', a);
  await write((within) => namespaces.leave(within, a));
  assert.equal(namespaces.isOpen(b), false);
  await assert.rejects(create('c', namespaces.byId(a.id)!), InvalidRequest);
  assert.deepEqual(namespaces.split('a/b/secret/x'), { namespace: ROOT_NAMESPACE, rest: 'a/b/secret/x' });
});

test('a lock is undone by its own key, from the outside in', async () => {
  const { namespaces, write, create } = await open();
  const a = await create('a');
  const b = await create('b', a);
  const now = (id: string) => namespaces.byId(id)!;
  const keyOfB = await write((within) => namespaces.lock(within, b));
  const keyOfA = await write((within) => namespaces.lock(within, a));
  const unlock = (id: string, key: string | undefined) =>
    write((within) => namespaces.unlock(within, now(id), key));
  await assert.rejects(unlock(b.id, keyOfB), /"a\/" is locked/);
  await assert.rejects(unlock(a.id, keyOfB), /incorrect/);
  await assert.rejects(
    write((within) => namespaces.lock(within, now(a.id))),
    /is locked/,
  );
  await unlock(a.id, keyOfA);
  assert.equal(namespaces.lockOver(now(b.id))?.path, 'a/b/');
  await unlock(b.id, undefined);
  assert.equal(namespaces.lockOver(now(b.id)), undefined);
  await assert.rejects(unlock(b.id, keyOfB), /is not locked/);
});

test('the namespace in an id is what follows the dot in its last segment', () => {
  const segment = fc.stringMatching(/^[a-zA-Z0-9.]{1,8}$/);
  const id = fc.stringMatching(/^[a-zA-Z0-9]{6}$/);
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1 }),
      fc.stringMatching(/^[a-zA-Z0-9_-]{24}$/),
      id,
      (path, last, namespace) => {
        const lease = `${path.join('/')}/${last}`;
        assert.equal(namespaceIdIn(lease), 'root');
        assert.equal(namespaceIdIn(lease + idSuffix(namespace)), namespace);
      },
    ),
  );
});

test('no two namespaces, kinds or the root share a prefix', () => {
  const all = NAMESPACED_KINDS.flatMap((kind) =>
    ['root', 'AAAAAA', 'AAAAAB'].map((id) => namespacedPrefix(kind, id)),
  );
  for (const one of all)
    for (const other of all) assert.ok(one === other || !one.startsWith(other), `${one} ${other}`);
});

test('sys/ is closed to namespaces but for what is listed', () => {
  for (const path of [
    'mounts',
    'mounts/a/tune',
    'auth/a',
    'policies/acl/p',
    'internal/ui/mounts',
    'leases/lookup/',
    'namespaces/',
  ])
    assert.equal(servedEverywhere(path), true, path);
  for (const path of [
    '',
    'seal',
    'audit',
    'raw/core',
    'internal/inspect/router/root',
    'config/cors',
    'quotas/config',
    'storage/raft/snapshot',
    'mountsx',
    'a/mounts',
  ])
    assert.equal(servedEverywhere(path), false, path);
  assert.equal(servedLocked('namespaces/api-lock/unlock/a'), true);
  assert.equal(servedLocked('namespaces/api-lock/lock'), false);
});
