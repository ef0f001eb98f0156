import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CofferError } from '../base/errors.ts';
import { normalisePath } from './path.ts';

const refusal = (code: string) => (error: unknown) => error instanceof CofferError && error.code === code;

describe('path', () => {
  for (const [raw, path] of [
    ['/v1/secret/foo', '/v1/secret/foo'],
    ['/v1/secret/foo/', '/v1/secret/foo/'],
    ['/v1//secret///foo//', '/v1/secret/foo/'],
    ['/v1/secret%2ffoo', '/v1/secret/foo'],
    ['/v1/%2F%2Fsecret', '/v1/secret'],
    ['/v1/secret%252ffoo', '/v1/secret%2ffoo'],
    ['/v1/a%20b', '/v1/a b'],
    ['/v1/a+b', '/v1/a+b'],
    ['/v1/%C3%BCber/schl%C3%BCssel', '/v1/über/schlüssel'],
    ['/v1/über', '/v1/über'],
    ['/v1/.hidden/..x/y..', '/v1/.hidden/..x/y..'],
    ['/%761/sys', '/v1/sys'],
    ['/', '/'],
  ] as const) {
    test(`${raw} is ${path}`, () => assert.equal(normalisePath(raw), path));
  }

  for (const raw of [
    '/v1/a/../b',
    '/v1/a/%2e%2e/b',
    '/v1/a/.%2e/b',
    '/v1/a/..',
    '/v1/./a',
    '/v1/a/%2e',
    '/v1/a%2f..%2fb',
    '/v1/a//..//b',
    '/v1/a%00b',
    '/v1/a%0ab',
    '/v1/a%7f',
    '/v1/a%C2%85b',
    '/v1/a%E2%80%8Bb',
    '/v1/a%C2%A0',
    '/v1/a%EF%BB%BF',
    '/v1/a%E2%80%AEb',
    '/v1/%',
    '/v1/%2',
    '/v1/%zz',
    '/v1/%C3',
    '/v1/%C0%AF',
    '/v1/%ED%A0%80',
    '/v1/%F5%80%80%80',
  ]) {
    test(`${raw} is refused`, () => assert.throws(() => normalisePath(raw), refusal('invalid_request')));
  }

  test('a path has a longest length', () => {
    assert.throws(() => normalisePath(`/v1/${'a'.repeat(8192)}`), refusal('too_large'));
  });

  test('any spelling gives the plain form or a refusal', () => {
    const unit = fc.constantFrom(
      'a',
      'v1',
      '/',
      '//',
      '.',
      '..',
      '%2f',
      '%2e',
      '%2E',
      '%25',
      '%00',
      '%c3%bc',
      'ü',
      ' ',
      '%',
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), (units) => {
        const raw = `/${units.join('')}`;
        let path: string;
        try {
          path = normalisePath(raw);
        } catch (error) {
          assert.ok(error instanceof CofferError);
          return;
        }
        assert.ok(path.startsWith('/'));
        assert.ok(!path.includes('//'));
        const segments = path.slice(1).split('/');
        assert.ok(!segments.includes('.') && !segments.includes('..'));
        assert.equal(path, decodeURIComponent(raw).replace(/\/+/g, '/'));
      }),
      { numRuns: 2000 },
    );
  });

  test('every escaped spelling of a good path is that path', () => {
    const segment = fc.stringMatching(/^[a-z0-9_-][a-z0-9_. -]{0,8}[a-z0-9_-]$/);
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat(3)),
        (segments, dice) => {
          const plain = `/v1/${segments.join('/')}`;
          const spelled = [...plain]
            .map((character) => {
              const way = dice.next().value;
              if (way === 0) return `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
              return character === '/' && way === 1 ? '//' : character;
            })
            .join('');
          assert.equal(normalisePath(`/${spelled}`.replace(/^\/\//, '/')), plain);
        },
      ),
    );
  });
});
