import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArgumentsInvalid, parseServeArguments } from './arguments.ts';

const parse = (argv: string[], environment: Record<string, string> = {}) =>
  parseServeArguments(argv, environment);

test('flags come with one dash or two, with = or a word after', () => {
  const args = parse([
    '-config=a.hcl',
    '--config',
    'b.json',
    '-check',
    '-log-level',
    'debug',
    '--log-file=x',
  ]);
  assert.deepEqual(args.configPaths, ['a.hcl', 'b.json']);
  assert.deepEqual([args.mode, args.check], ['configured', true]);
  assert.deepEqual([args.logLevel, args.logFormat, args.logFile], ['debug', undefined, 'x']);
});

test('any flag of the development mode turns it on, and a configuration may add to it', () => {
  assert.equal(parse(['-dev']).mode, 'development');
  assert.equal(parse(['-dev-kv-v1']).mode, 'development');
  assert.equal(parse(['-dev=false', '-config=a']).mode, 'configured');
  assert.equal(parse(['-dev', '-config=a']).mode, 'development');
  assert.equal(parse(['-dev']).devKv, 'version 2');
  assert.equal(parse(['-dev-kv-v1']).devKv, 'version 1');
  assert.equal(parse(['-dev-no-kv', '-dev-kv-v1']).devKv, 'none');
});

test('the environment stands in for flags', () => {
  const environment = {
    VAULT_DEV_ROOT_TOKEN_ID: 'vault',
    BAO_DEV_ROOT_TOKEN_ID: 'bao',
    VAULT_DEV_LISTEN_ADDRESS: '127.0.0.1:1',
    COFFER_LISTEN_ADDRESS: '127.0.0.1:2',
  };
  const args = parse(['-dev'], environment);
  assert.deepEqual([args.devRootToken, args.devListenAddress], ['bao', '127.0.0.1:1']);
  assert.equal(parse(['-dev', '-dev-root-token-id=x'], environment).devRootToken, 'x');
  assert.equal(parse(['-quickstart'], environment).listenAddress, '127.0.0.1:2');
  assert.equal(parse(['-quickstart'], { COFFER_LISTEN_ADDRESS: '' }).listenAddress, '127.0.0.1:8200');
  assert.equal(parse(['-quickstart', '-listen-address=:3'], environment).listenAddress, ':3');
});

const MISTAKES: [argv: string[], message: string][] = [
  [[], 'a configuration file must be given with -config, or -dev for a server in memory'],
  [['-check'], 'a configuration file must be given with -config, or -dev for a server in memory'],
  [['-colour=red'], 'unknown argument -colour=red'],
  [['config.hcl'], 'unknown argument config.hcl'],
  [['-dev-ha'], 'unknown argument -dev-ha'],
  [['-config'], '-config needs a value'],
  [['-dev=perhaps'], '-dev is either true or false, not "perhaps"'],
  [['-quickstart', '-dev'], '-quickstart stands alone: it takes neither -config nor -dev'],
  [['-quickstart', '-config=a'], '-quickstart stands alone: it takes neither -config nor -dev'],
  [['-dev', '-listen-address=:1'], '-listen-address is for -quickstart; a configuration file has listeners'],
];
for (const [argv, message] of MISTAKES) {
  test(`a mistake is named: ${argv.join(' ') || 'no arguments'}`, () => {
    assert.throws(() => parse(argv), new ArgumentsInvalid(message));
  });
}
