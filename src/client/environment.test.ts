import assert from 'node:assert/strict';
import test from 'node:test';
import { ADDRESS_DEFAULT, readEnvironment, variable } from './environment.ts';

test('without variables the defaults hold', () => {
  const settings = readEnvironment({});
  assert.equal(settings.address, ADDRESS_DEFAULT);
  assert.equal(settings.addressGiven, false);
  assert.equal(settings.timeoutMs, 60_000);
  assert.equal(settings.retriesMax, undefined);
  assert.equal(settings.followRedirects, true);
});

test('COFFER_ goes before BAO_ before VAULT_, and an empty one does not count', () => {
  assert.equal(variable({ COFFER_ADDR: 'a', BAO_ADDR: 'b', VAULT_ADDR: 'c' }, 'ADDR'), 'a');
  assert.equal(variable({ COFFER_ADDR: '', BAO_ADDR: 'b', VAULT_ADDR: 'c' }, 'ADDR'), 'b');
  assert.equal(variable({ VAULT_ADDR: 'c' }, 'ADDR'), 'c');
});

test('every variable is read', () => {
  const settings = readEnvironment({
    VAULT_ADDR: 'http://127.0.0.1:8200//',
    VAULT_TOKEN: 'hvs.x\n',
    VAULT_NAMESPACE: 'ns',
    VAULT_WRAP_TTL: '5m',
    VAULT_CACERT: 'ca.pem',
    VAULT_CAPATH: 'cas',
    VAULT_CACERT_BYTES: 'pem',
    VAULT_CLIENT_CERT: 'cert.pem',
    VAULT_CLIENT_KEY: 'key.pem',
    VAULT_TLS_SERVER_NAME: 'name',
    VAULT_SKIP_VERIFY: 'true',
    VAULT_HEADERS: '{"X-IAP-Token":"t"}',
    VAULT_MAX_RETRIES: '-1',
    VAULT_CLIENT_TIMEOUT: '1m30s',
    VAULT_RATE_LIMIT: '10:20',
    VAULT_PROXY_ADDR: 'http://proxy:3128',
    VAULT_DISABLE_REDIRECTS: '1',
  });
  assert.deepEqual(settings, {
    address: 'http://127.0.0.1:8200',
    addressGiven: true,
    token: 'hvs.x',
    namespace: 'ns',
    wrapTtl: '5m',
    tls: {
      caFile: 'ca.pem',
      caDirectory: 'cas',
      caText: 'pem',
      clientCertificateFile: 'cert.pem',
      clientKeyFile: 'key.pem',
      serverName: 'name',
      skipVerify: true,
    },
    headers: [['X-IAP-Token', 't']],
    proxyEnvironment: { HTTP_PROXY: 'http://proxy:3128', HTTPS_PROXY: 'http://proxy:3128' },
    timeoutMs: 90_000,
    retriesMax: 0,
    followRedirects: false,
    rateLimit: { perSecond: 10, burst: 20 },
  });
});

test('what makes no sense is named', () => {
  const wrong = {
    VAULT_SKIP_VERIFY: 'maybe',
    VAULT_CLIENT_TIMEOUT: 'soon',
    VAULT_MAX_RETRIES: 'many',
    VAULT_RATE_LIMIT: '0',
    VAULT_HEADERS: '[1]',
  };
  for (const [name, value] of Object.entries(wrong)) {
    assert.throws(() => readEnvironment({ [name]: value }), {
      code: 'setting_invalid',
      message: new RegExp(name),
    });
  }
  assert.throws(() => readEnvironment({ VAULT_HEADERS: '{"x-vault-token":"t"}' }), {
    code: 'setting_invalid',
  });
  assert.throws(() => readEnvironment({ VAULT_HEADERS: '{"a\\nb":"t"}' }), { code: 'setting_invalid' });
});

test('timeouts may have fractions of a second', () => {
  assert.equal(readEnvironment({ VAULT_CLIENT_TIMEOUT: '250ms' }).timeoutMs, 250);
  assert.equal(readEnvironment({ VAULT_CLIENT_TIMEOUT: '7' }).timeoutMs, 7000);
});
