import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session } from '../barrier/session.ts';
import { MemoryRecords } from '../engine/memory-view.ts';
import type { Lease } from './lease.ts';
import {
  deleteLease,
  dueLeases,
  getLease,
  irrevocableIds,
  leaseIds,
  saveLease,
  tokenLeaseIds,
} from './records.ts';

const LEASE: Lease = {
  id: 'database/creds/web/first',
  issuedAtMs: 1000,
  expiresAtMs: 61_000,
  dueAtMs: 61_000,
  ttl: 60,
  renewable: true,
  renewedAtMs: 0,
  of: { what: 'secret', mountUuid: 'mount', kind: 'user', internal: {}, maxTtl: 0, tokenKey: 'owner' },
};

function open(): { records: MemoryRecords; session: Session } {
  const records = new MemoryRecords();
  const session: Session = {
    view: (prefix) => (prefix === '' ? records.view() : records.view().under(prefix)),
    apply: () => records.apply(),
    afterApply: (work) => work(),
    discard: () => records.discard(),
    settled: () => undefined,
  };
  return { records, session };
}

const due = (session: Session, untilMs: number) => [...dueLeases(session, untilMs)].map(({ id }) => id);

test('a lease is found by its id, its owner and the time it is due', () => {
  const { session } = open();
  saveLease(session, LEASE);
  saveLease(session, { ...LEASE, id: 'database/creds/web/later', dueAtMs: 62_000 });
  assert.deepEqual([...leaseIds(session, 'root', 'database/creds')], [LEASE.id, 'database/creds/web/later']);
  assert.deepEqual([...leaseIds(session, 'root', LEASE.id)], [LEASE.id]);
  assert.deepEqual([...tokenLeaseIds(session, 'owner')].length, 2);
  assert.deepEqual(due(session, 61_000), [LEASE.id]);
  assert.deepEqual(due(session, 60_999), []);
});

test('a lease that is prolonged is due once, at its new time', () => {
  const { session } = open();
  saveLease(session, LEASE);
  const longer = { ...LEASE, dueAtMs: 90_000, expiresAtMs: 90_000 };
  saveLease(session, longer, LEASE);
  assert.deepEqual(due(session, 89_999), []);
  assert.deepEqual(due(session, 90_000), [LEASE.id]);
  assert.deepEqual(getLease(session, LEASE.id), longer);
});

test('a lease is listed as irrevocable while its revocation keeps failing', () => {
  const { session } = open();
  saveLease(session, LEASE);
  const fifth = { ...LEASE, attempts: 5 };
  saveLease(session, fifth, LEASE);
  assert.deepEqual([...irrevocableIds(session, 'root')], []);
  const sixth = { ...LEASE, attempts: 6 };
  saveLease(session, sixth, fifth);
  assert.deepEqual([...irrevocableIds(session, 'root')], [LEASE.id]);
  saveLease(session, { ...sixth, attempts: 7 }, sixth);
  assert.deepEqual([...irrevocableIds(session, 'root')], [LEASE.id]);
});

test('nothing is left of a lease that ended', () => {
  const { records, session } = open();
  const lease = { ...LEASE, attempts: 6 };
  saveLease(session, lease);
  deleteLease(session, lease);
  assert.deepEqual([...records.view().keys('')], []);
});
