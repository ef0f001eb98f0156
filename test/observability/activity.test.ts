/** Client counts of a node in this process, over HTTP, with a clock that the test moves from month to month. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FailureNode } from '../failures/node.ts';

const DAY_MS = 86_400_000;
const PATH = 'sys/internal/counters';
let node: FailureNode;

before(async () => {
  // The clock stands at 14 November 2023.
  node = await FailureNode.start({ manualClock: true, onDisk: true });
  for (const path of ['people', 'machines'])
    await node.ok('POST', `sys/auth/${path}`, {
      body: { type: 'userpass', config: { max_lease_ttl: '2400h' } },
    });
  for (const user of ['ann', 'bob'])
    await node.ok('POST', `auth/people/users/${user}`, { body: { password: `password of ${user}` } });
  await node.ok('POST', 'auth/machines/users/ann', { body: { password: 'password of ann' } });
});
after(() => node?.stop());

async function login(path: string, user: string): Promise<string> {
  const { auth } = await node.ok('POST', `auth/${path}/login/${user}`, {
    token: '',
    body: { password: `password of ${user}` },
  });
  return auth.client_token;
}
/** Sleeps through most of it, so that not every timer of every second runs. */
async function later(days: number): Promise<void> {
  node.sleep(days * DAY_MS - 30_000);
  await node.pass(30_000);
}
const data = async (path: string) => (await node.ok('GET', `${PATH}/${path}`)).data;
const counts = (entities: number, tokens: number) => ({
  entity_clients: entities,
  non_entity_clients: tokens,
  secret_syncs: 0,
  acme_clients: 0,
  clients: entities + tokens,
});

test('a client counts once, however often and with however many tokens it comes', async () => {
  for (let i = 0; i < 3; i++) await login('people', 'ann');
  const token = await login('people', 'bob');
  for (let i = 0; i < 5; i++) await node.ok('GET', 'auth/token/lookup-self', { token });
  // Two tokens that may do the same are one client; one that may do more is another. The root token is there, too.
  for (const policies of [['default'], ['default'], ['other', 'default']]) {
    const { auth } = await node.ok('POST', 'auth/token/create-orphan', { body: { policies } });
    await node.request('GET', 'auth/token/lookup-self', { token: auth.client_token });
  }
  const monthly = await data('activity/monthly');
  assert.deepEqual(
    { ...monthly, by_namespace: 0, months: 0 },
    { ...counts(2, 3), by_namespace: 0, months: 0 },
  );
  const [root] = monthly.by_namespace;
  assert.deepEqual([root.namespace_id, root.namespace_path, root.counts], ['root', '', counts(2, 3)]);
  assert.deepEqual(
    root.mounts.map(({ mount_path, path, counts: all }: Record<string, unknown>) => [mount_path, path, all]),
    [
      ['auth/token/', 'auth/token/', counts(0, 3)],
      ['auth/people/', 'auth/people/', counts(2, 0)],
    ],
  );
  const [month] = monthly.months;
  assert.equal(month.timestamp, '2023-11-01T00:00:00.000000000Z');
  assert.deepEqual(month.new_clients.counts, counts(2, 3));
});

test('over several months each client counts once, and is new in its first', async () => {
  await later(20);
  await login('people', 'ann');
  await login('machines', 'ann');
  await later(31);
  await login('people', 'bob');
  const activity = await data('activity?start_time=2023-09-01T00:00:00Z');
  assert.equal(activity.start_time, '2023-11-01T00:00:00.000000000Z');
  assert.equal(activity.end_time, '2024-01-31T23:59:59.000000000Z');
  assert.deepEqual(activity.total, counts(3, 3));
  assert.deepEqual(
    activity.months.map((month: Record<string, { counts: unknown }> & { timestamp: string }) => [
      month.timestamp.slice(0, 7),
      month.counts,
      month.new_clients?.counts,
    ]),
    [
      ['2023-09', null, undefined],
      ['2023-10', null, undefined],
      ['2023-11', counts(2, 3), counts(2, 3)],
      // The root token reads the report.
      ['2023-12', counts(2, 0), counts(1, 0)],
      ['2024-01', counts(1, 1), counts(0, 0)],
    ],
  );
  const december = await data('activity?start_time=1701388800&end_time=2023-12-31T00:00:00Z');
  assert.deepEqual(december.total, counts(2, 0));
  assert.equal(december.months.length, 1);
  const requests = (await data('requests')).counters;
  assert.deepEqual(
    requests.map(({ start_time }: { start_time: string }) => start_time.slice(0, 7)),
    ['2024-01', '2023-11'],
  );
});

test('counts outlive a restart, and a mount that is gone is named by what it was', async () => {
  const before = (await data('activity')).total;
  await node.ok('DELETE', 'sys/auth/machines');
  await node.restart();
  const { total, by_namespace } = await data('activity');
  assert.deepEqual(total, before);
  const paths = by_namespace[0].mounts.map(({ mount_path }: { mount_path: string }) => mount_path);
  assert.match(paths.join(' '), /deleted mount; accessor "auth_userpass_\w+"/);
});

test('the export has a line for each client, as JSON and as CSV', async () => {
  const { data: ann } = await node.ok('POST', 'identity/lookup/entity', {
    body: {
      alias_name: 'ann',
      alias_mount_accessor: (await node.ok('GET', 'sys/auth')).data['people/'].accessor,
    },
  });
  await node.ok('POST', `identity/entity/id/${ann.id}`, {
    body: { metadata: { team: '=a,"b"' }, policies: ['p'] },
  });
  const answer = await node.request('GET', `${PATH}/activity/export`);
  assert.equal(
    answer.headers['content-disposition'],
    'attachment; filename="activity_export_2023-02_to_2024-01.json"',
  );
  const lines = answer.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 6);
  const [line] = lines.filter(({ client_id }) => client_id === ann.id);
  assert.deepEqual(
    [
      line.client_type,
      line.entity_alias_name,
      line.mount_path,
      line.mount_type,
      line.policies,
      line.entity_metadata,
    ],
    ['entity', 'ann', 'auth/people/', 'userpass', ['p'], { team: '=a,"b"' }],
  );
  assert.equal(line.timestamp.slice(0, 10), '2023-11-14');
  const csv = await node.request('GET', `${PATH}/activity/export?format=csv`);
  const rows = csv.text.trim().split('\n');
  assert.equal(rows.length, 7);
  assert.equal(
    rows[0],
    'entity_name,entity_alias_name,client_id,client_type,local_entity_alias,namespace_id,namespace_path,mount_accessor,mount_path,mount_type,timestamp,entity_alias_metadata.username,entity_metadata.team,policies.0',
  );
  assert.ok(
    rows.some((row) => row.endsWith(`,"'=a,""b""",p`)),
    csv.text,
  );
});

test('who may not, does not get the export; and bad input is refused', async () => {
  const reader = await node.tokenWith(`path "${PATH}/*" { capabilities = ["read"] }`);
  assert.equal((await node.request('GET', `${PATH}/activity`, { token: reader })).status, 200);
  assert.equal((await node.request('GET', `${PATH}/activity/export`, { token: reader })).status, 403);
  for (const query of [
    'start_time=yesterday',
    'start_time=2024-01-02T00:00:00Z&end_time=2023-01-01T00:00:00Z',
    'start_time=2030-01-01T00:00:00Z',
    'end_time=-1',
    'start_time=99999999999999',
  ])
    assert.equal((await node.request('GET', `${PATH}/activity?${query}`)).status, 400, query);
  assert.equal((await node.request('GET', `${PATH}/activity/export?format=xml`)).status, 400);
});

test('counting can be turned off, which forgets this month and no other', async () => {
  const config = async (body: Record<string, unknown>) =>
    (await node.request('POST', `${PATH}/config`, { body })).status;
  const shown = await data('config');
  assert.deepEqual(
    [shown.enabled, shown.retention_months, shown.queries_available, shown.default_report_months],
    ['default-enabled', 48, true, 12],
  );
  assert.equal(await config({ retention_months: 47 }), 400);
  assert.equal(await config({ retention_months: 61 }), 400);
  assert.equal(await config({ enabled: 'perhaps' }), 400);
  assert.equal(await config({ enabled: 'disable', retention_months: 54 }), 204);
  await login('people', 'ann');
  assert.equal((await data('activity/monthly')).clients, 0);
  assert.deepEqual((await data('activity')).total, counts(3, 3));
  assert.equal(await config({ enabled: 'enable' }), 204);
  await login('people', 'ann');
  assert.equal((await data('activity/monthly')).entity_clients, 1);
  assert.equal((await data('config')).retention_months, 54);
});
