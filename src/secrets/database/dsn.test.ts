import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../../base/errors.ts';
import { parseDsn, shownDsn } from './dsn.ts';

const credentials = { username: 'root', password: 'secret', disableEscaping: false };

test('both forms are understood', () => {
  const expected = {
    hosts: [{ host: 'db.example', port: 6432 }],
    user: 'root',
    password: 'secret',
    database: 'app',
    sslmode: 'verify-full',
    readWrite: true,
    connectTimeoutSeconds: 3,
  };
  for (const template of [
    'postgresql://{{username}}:{{password}}@db.example:6432/app?sslmode=verify-full&target_session_attrs=read-write&connect_timeout=3',
    'host=db.example port = 6432 user={{name}} password={{ password }} dbname=app sslmode=verify-full target_session_attrs=primary connect_timeout=3',
  ]) {
    assert.deepEqual(parseDsn(template, credentials), expected, template);
  }
});

test('several hosts, IPv6, sockets and defaults', () => {
  const hosts = (template: string) => parseDsn(template, credentials).hosts;
  assert.deepEqual(hosts('postgres://one:1,two,[::1]:3/x'), [
    { host: 'one', port: 1 },
    { host: 'two', port: 5432 },
    { host: '::1', port: 3 },
  ]);
  assert.deepEqual(hosts('host=one,two port=7'), [
    { host: 'one', port: 7 },
    { host: 'two', port: 7 },
  ]);
  assert.deepEqual(hosts('postgresql:///x?host=/var/run/postgresql'), [
    { host: '/var/run/postgresql', port: 5432 },
  ]);
  assert.deepEqual(hosts('postgresql://'), [{ host: 'localhost', port: 5432 }]);
});

test('whatever the user name and password are, they arrive as they are', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.string({ minLength: 1 }),
      (username, password) => {
        for (const template of [
          'postgresql://{{username}}:{{password}}@h/d',
          'host=h user={{username}} password={{password}} dbname=d',
        ]) {
          const dsn = parseDsn(template, { username, password, disableEscaping: false });
          assert.deepEqual(
            [dsn.user, dsn.password, dsn.hosts[0]?.host, dsn.database],
            [username, password, 'h', 'd'],
          );
        }
      },
    ),
  );
});

test('without placeholders the fields are used, unless the string says otherwise', () => {
  const bare = parseDsn('postgresql://h/d', credentials);
  assert.deepEqual([bare.user, bare.password], ['root', 'secret']);
  const own = parseDsn('postgresql://me:mine@h/d', credentials);
  assert.deepEqual([own.user, own.password], ['me', 'mine']);
});

test('what cannot be right is refused without showing it', () => {
  for (const template of [
    'mysql://x:canary@h',
    'postgresql://u:canary@h:port/d',
    'postgresql://u:canary@h:70000/d',
    'postgresql://u:%canary@h/d',
    'host=h password=canary sslmode=maybe',
    'host=one,two port=1,2,3 password=canary',
    'canary',
    "host='canary",
    'postgresql://u:canary@h/d?sslrootcert=/etc/shadow',
    'host=h password=canary sslkey=/etc/shadow',
  ]) {
    assert.throws(
      () => parseDsn(template, credentials),
      (error) => error instanceof InvalidRequest && !error.message.includes('canary'),
      template,
    );
  }
});

test('a shown connection string has no password', () => {
  for (const template of [
    'postgresql://u:canary@h/d',
    'postgresql://:canary@h/d',
    'postgresql://u:can:ary@h',
    'host=h password=canary user=u',
    "host=h password = 'cana\\' ry' user=u",
    'postgresql://h/d?password=canary&user=u',
  ]) {
    const shown = shownDsn(template);
    assert.match(shown, /\*{5}/, template);
    assert.doesNotMatch(shown, /cana|ary/, template);
  }
  for (const template of [
    'postgresql://{{username}}:{{password}}@h/d',
    'host=h password={{password}}',
    'host=h',
  ]) {
    assert.equal(shownDsn(template), template);
  }
});
