import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidRequest } from '../../base/errors.ts';
import { fillStatement, singleStatements, statementsField } from './sql.ts';

const fill = (sql: string, name: string) => fillStatement(sql, new Map([['name', name]]));

test('statements are split at semicolons that are not quoted', () => {
  assert.deepEqual(singleStatements([`CREATE ROLE "a;b" PASSWORD ';''x;'; GRANT x TO y;; `, 'SELECT 1']), [
    `CREATE ROLE "a;b" PASSWORD ';''x;'`,
    'GRANT x TO y',
    'SELECT 1',
  ]);
  const block = `DO $body$ BEGIN PERFORM 1; EXECUTE $$ SELECT ';' $$; END $body$`;
  assert.deepEqual(singleStatements([`${block}; SELECT a$b$c; SELECT 2`]), [
    block,
    'SELECT a$b$c',
    'SELECT 2',
  ]);
  assert.deepEqual(singleStatements([`SELECT E'it\\';s'; SELECT 1 -- ; '\n; SELECT /* ; /* ' */ ; */ 2`]), [
    `SELECT E'it\\';s'`,
    `SELECT 1 -- ; '`,
    "SELECT /* ; /* ' */ ; */ 2",
  ]);
});

test('JSON and base64 are taken off', () => {
  const json = JSON.stringify(['SELECT 1; SELECT 2', 'SELECT 3']);
  const expected = ['SELECT 1', 'SELECT 2', 'SELECT 3'];
  assert.deepEqual(singleStatements([json]), expected);
  assert.deepEqual(singleStatements([Buffer.from(json).toString('base64')]), expected);
  assert.deepEqual(singleStatements([Buffer.from('SELECT 1; SELECT 2').toString('base64')]), [
    'SELECT 1',
    'SELECT 2',
  ]);
  assert.deepEqual(singleStatements(['COMMITTT']), ['COMMITTT']);
});

test('values are escaped for where they stand', () => {
  assert.equal(fill(`DROP ROLE "{{name}}"`, 'a"; DROP TABLE x; --'), `DROP ROLE "a""; DROP TABLE x; --"`);
  assert.equal(fill(`SELECT '{{ name }}'`, "a'; DROP TABLE x; --"), `SELECT 'a''; DROP TABLE x; --'`);
  assert.equal(fill(`SELECT E'{{name}}'`, "\\'; DROP"), `SELECT E'\\\\''; DROP'`);
  assert.equal(fill('DROP ROLE {{name}}', 'v-token-1'), 'DROP ROLE v-token-1');
  assert.equal(
    fill(`DO $$ BEGIN EXECUTE 'DROP ROLE "{{name}}"'; END $$`, 'v-1'),
    `DO $$ BEGIN EXECUTE 'DROP ROLE "v-1"'; END $$`,
  );
  assert.equal(fill('SELECT {{other}}', 'x'), 'SELECT {{other}}');
});

test('what cannot be escaped where it stands is refused, and not repeated', () => {
  const bad = "x'; DROP TABLE canary; --";
  for (const sql of [
    'DROP ROLE {{name}}',
    'DO $$ {{name}} $$',
    "SELECT $a$'{{name}}'$a$",
    '-- {{name}}',
    '/* {{name}} */',
    `SELECT U&'{{name}}'`,
    `DROP ROLE U&"{{name}}"`,
  ]) {
    assert.throws(
      () => fill(sql, bad),
      (error) => error instanceof InvalidRequest && !error.message.includes('canary'),
      sql,
    );
  }
  assert.throws(() => fill(`SELECT '{{name}}'`, 'a\0b'), InvalidRequest);
});

test('a value never ends the quotes it stands in', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("'", '"', '\\', ';', '-', '$', 'a', '*', '/') }),
      (value) => {
        const statement = `SELECT '{{name}}' AS "{{name}}" FROM x`;
        assert.equal(singleStatements([fill(statement, value)]).length, 1);
        const [, literal, identifier] =
          /^SELECT ('(?:[^']|'')*') AS ("(?:[^"]|"")*") FROM x$/s.exec(fill(statement, value)) ?? [];
        assert.equal(literal?.slice(1, -1).replaceAll("''", "'"), value);
        assert.equal(identifier?.slice(1, -1).replaceAll('""', '"'), value);
      },
    ),
  );
});

test('unfinished quotes and comments are refused', () => {
  for (const sql of [`SELECT 'x`, `SELECT "x`, `SELECT E'x\\'`, 'SELECT $a$ $b$', 'SELECT /* /* */']) {
    assert.throws(() => singleStatements([sql]), InvalidRequest, sql);
  }
  assert.throws(() => singleStatements(['[1, 2]']), InvalidRequest);
  assert.throws(() => singleStatements(['[not json']), InvalidRequest);
});

test('the field keeps commas and takes lists', () => {
  const field = statementsField('');
  assert.deepEqual(field.parse('GRANT a, b TO c'), ['GRANT a, b TO c']);
  assert.deepEqual(field.parse(['a', ' ', 'b']), ['a', 'b']);
  assert.deepEqual(field.parse(''), []);
  for (const bad of [1, { a: 1 }, ['a', 1], 'a\0b', '\ud800']) assert.throws(() => field.parse(bad));
});
