/**
 * Logins: lockout goes by one canonical name and holds under concurrency; unknown names cost and say the same as known
 * ones; secret-ids belong to their role.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Answer } from '../services/http.ts';
import { FailureNode } from './node.ts';

const PASSWORD = 'the right password';
const LOCKOUT = { lockout_threshold: 5, lockout_duration: '15m', lockout_counter_reset: '15m' };

describe('logins', () => {
  let node: FailureNode;
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    await node.ok('POST', 'sys/auth/userpass/tune', { body: { user_lockout_config: LOCKOUT } });
    await node.ok('POST', 'sys/auth/approle/tune', { body: { user_lockout_config: LOCKOUT } });
  });
  after(() => node.stop());

  const user = (name: string) =>
    node.ok('POST', `auth/userpass/users/${name}`, { body: { password: PASSWORD } });
  const logIn = (name: string, password = PASSWORD) =>
    node.request('POST', `auth/userpass/login/${name}`, { token: '', body: { password } });

  it('count failures by one name, however it is spelled', async () => {
    await user('ann');
    for (const spelled of ['ann', 'ANN', 'Ann', 'aNN', '%61nn'])
      assert.equal((await logIn(spelled, 'wrong')).status, 400);
    for (const spelled of [
      'ann',
      'ANN',
      'Ann',
      '%41NN',
      'ann/',
      'ann%2f',
      '/ann',
      'ann%20',
      '%20ann',
      'ann%00',
      'ann.',
      'ａｎｎ',
      'ann%E2%80%8B',
    ]) {
      const { status } = await logIn(
        encodeURI(decodeURIComponent(spelled)) === spelled
          ? spelled
          : spelled.replaceAll(/[^\x20-\x7e]/g, encodeURIComponent),
      );
      assert.ok(status >= 400, `${spelled} logged in though the user is locked`);
    }
    const inBody = await node.request('POST', 'auth/userpass/login/ann', {
      token: '',
      body: { username: 'bob', password: PASSWORD },
    });
    assert.equal(inBody.status, 403);
    const locked = await node.ok('GET', 'sys/locked-users');
    assert.deepEqual(locked.data.by_namespace[0].mount_accessors[0].alias_identifiers, ['ann']);
  });

  it('let nobody guess on while others’ guesses are being checked', async () => {
    await user('carol');
    const guesses = [
      ...Array.from({ length: 30 }, (_, index) => `guess ${index}`),
      PASSWORD,
      'one more guess',
    ];
    const answers = await Promise.all(guesses.map((guess) => logIn('carol', guess)));
    const told = answers.filter(({ status }) => status === 400).length;
    assert.ok(told <= LOCKOUT.lockout_threshold + 2, `${told} guesses were told that they were wrong`);
    const [right, wrong] = answers.slice(-2);
    assert.deepEqual(
      [right!.status, right!.text],
      [wrong!.status, wrong!.text],
      'the right guess looks as the wrong ones do',
    );
  });

  it('go on for those who log in all at once with the right password', async () => {
    await user('dave');
    const answers = await Promise.all(Array.from({ length: 20 }, () => logIn('dave')));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  });

  it('lock out a role-id too', async () => {
    const { roleId, secretId } = await role(node, 'locked');
    for (let tries = 0; tries < 5; tries++) assert.equal((await login(node, roleId, 'wrong')).status, 400);
    assert.equal((await login(node, roleId, secretId)).status, 403);
    for (const spelled of [` ${roleId}`, `${roleId}\n`, roleId.toUpperCase(), [roleId]]) {
      assert.ok((await login(node, spelled, secretId)).status >= 400, JSON.stringify(spelled));
    }
  });

  it('say the same to unknown names', async () => {
    await user('erin');
    const { roleId } = await role(node, 'known');
    const pairs: [Answer, Answer][] = [
      [await logIn('erin', 'wrong'), await logIn('nobody', 'wrong')],
      [await logIn('erin', ''), await logIn('nobody', '')],
      [await logIn('erin', 'x'.repeat(100)), await logIn('nobody', 'x'.repeat(100))],
      [await login(node, roleId, 'wrong'), await login(node, 'unknown', 'wrong')],
      [await login(node, roleId, ''), await login(node, 'unknown', '')],
    ];
    for (const [known, unknown] of pairs)
      assert.deepEqual([known.status, known.text], [unknown.status, unknown.text]);
  });

  it('lock unknown names as they lock known ones', async () => {
    await user('frank');
    const texts: string[][] = [];
    for (const name of ['frank', 'nobody-either']) {
      const seen: string[] = [];
      for (let tries = 0; tries < 7; tries++) {
        const { status, text } = await logIn(name, 'wrong');
        seen.push(`${status} ${text}`);
      }
      texts.push(seen);
    }
    assert.deepEqual(texts[0], texts[1]);
  });

  it('take roughly as long for unknown names', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `timed-${index}`);
    for (const name of names) await user(name);
    await logIn('warm-up', 'wrong');
    const known = await times(names, (name) => logIn(name, 'wrong'));
    const unknown = await times(names, (name) => logIn(`not-${name}`, 'wrong'));
    const ratio = median(unknown) / median(known);
    assert.ok(ratio > 0.5 && ratio < 2, `unknown users take ${ratio.toFixed(2)} times as long`);
  });

  it('take a secret-id only for its own role', async () => {
    const [one, two] = [await role(node, 'one'), await role(node, 'two')];
    assert.equal((await login(node, one.roleId, two.secretId)).status, 400);
    assert.equal((await login(node, one.roleId, one.secretId)).status, 200);
    const by = { secret_id_accessor: two.accessor };
    for (const action of ['lookup', 'destroy']) {
      assert.equal(
        (await node.request('POST', `auth/approle/role/one/secret-id-accessor/${action}`, { body: by }))
          .status,
        404,
      );
      const byId = await node.request('POST', `auth/approle/role/one/secret-id/${action}`, {
        body: { secret_id: two.secretId },
      });
      assert.ok(byId.status >= 400 || byId.text === '', byId.text);
    }
    for (const odd of [`${two.accessor}/`, `../two/${two.accessor}`, '', '..', `x/../${two.accessor}`]) {
      const { status } = await node.request('POST', 'auth/approle/role/one/secret-id-accessor/destroy', {
        body: { secret_id_accessor: odd },
      });
      assert.ok(status >= 400, odd);
    }
    assert.equal(
      (await login(node, two.roleId, two.secretId)).status,
      200,
      'the other role’s secret-id is still there',
    );
  });
});

async function role(
  node: FailureNode,
  name: string,
): Promise<{ roleId: string; secretId: string; accessor: string }> {
  await node.ok('POST', `auth/approle/role/${name}`, { body: { token_policies: ['default'] } });
  const { data: id } = await node.ok('GET', `auth/approle/role/${name}/role-id`);
  const { data: made } = await node.ok('POST', `auth/approle/role/${name}/secret-id`);
  return { roleId: id.role_id, secretId: made.secret_id, accessor: made.secret_id_accessor };
}

function login(node: FailureNode, role_id: unknown, secret_id: string): Promise<Answer> {
  return node.request('POST', 'auth/approle/login', { token: '', body: { role_id, secret_id } });
}

async function times(names: readonly string[], run: (name: string) => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (const name of names) {
    const startMs = performance.now();
    await run(name);
    taken.push(performance.now() - startMs);
  }
  return taken;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
