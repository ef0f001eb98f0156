/** A real node whose root key AWS KMS (moto), an HSM (SoftHSM) and a static key hold at once. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { type Gate, gateTo } from '../services/gate.ts';
import * as motoService from '../services/moto.ts';
import { waitUntil } from '../services/process.ts';
import * as softhsmService from '../services/softhsm.ts';
import { type Made, SealNode, type Stanza, staticSeal } from './node.ts';

const CHECKS = { health_check_interval: '1s', health_check_interval_unhealthy: '1s' };

describe('several seals at once', {
  skip: motoService.available() ?? softhsmService.available() ?? false,
}, () => {
  let moto: motoService.Moto;
  let hsm: softhsmService.SoftHsm;
  let gate: Gate;
  let node: SealNode;
  let made: Made;
  let kms: Stanza;
  let token: Stanza;
  const fixed = staticSeal(1, { priority: 3, ...CHECKS });

  before(async () => {
    moto = await motoService.start();
    gate = await gateTo(Number(new URL(moto.address).port));
    const { KeyMetadata } = await moto.json('kms', 'TrentService.CreateKey', {});
    hsm = await softhsmService.start();
    await hsm.createAesKey('root', '01');
    kms = {
      type: 'awskms',
      options: {
        priority: 1,
        kms_key_id: (KeyMetadata as { KeyId: string }).KeyId,
        region: moto.region,
        endpoint: `http://127.0.0.1:${gate.port}`,
        access_key: moto.accessKey,
        secret_key: moto.secretKey,
        ...CHECKS,
      },
    };
    token = {
      type: 'pkcs11',
      options: {
        name: 'hsm',
        priority: 2,
        lib: hsm.lib,
        token_label: hsm.tokenLabel,
        pin: hsm.pin,
        key_label: 'root',
        ...CHECKS,
      },
    };
    node = await SealNode.start([kms, token, fixed], hsm.environment);
    made = await node.initialize('automatic');
    await node.unsealed();
    await node.ok('POST', 'sys/mounts/kv', { token: made.rootToken, body: { type: 'kv' } });
    await node.ok('PUT', 'kv/kept', { token: made.rootToken, body: { word: 'open sesame' } });
  });
  after(async () => {
    await node?.stop();
    await gate?.close();
    await moto?.stop();
    await hsm?.stop();
  });

  const kept = async () => (await node.ok('GET', 'kv/kept', { token: made.rootToken })).data.word;
  const withoutHsm = async () => {
    const configuration = hsm.environment.SOFTHSM2_CONF!;
    await rename(configuration, `${configuration}.away`);
    return () => rename(`${configuration}.away`, configuration);
  };
  const works = (status: { backends: { name: string; healthy: boolean }[] }) =>
    status.backends.map(({ name, healthy }) => [name, healthy]);

  test('all of them hold the root key, work, and are told of', async () => {
    const status = await node.backends();
    assert.deepEqual(works(status as never), [
      ['awskms', true],
      ['hsm', true],
      ['static', true],
    ]);
    const { healthy, working, fully_wrapped, recovery_keys, warning } = status;
    assert.deepEqual(
      [healthy, working, fully_wrapped, recovery_keys, warning],
      [true, 3, true, true, undefined],
    );
    const { type, recovery_seal, t, n } = await node.status();
    assert.deepEqual([type, recovery_seal, t, n], ['awskms', true, 2, 3]);
    const printed = await node.cli('operator', 'seal', 'status');
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /^hsm +pkcs11 +true/m);
  });

  test('each of them unseals while the others are away', async () => {
    const back = await withoutHsm();
    await node.restart();
    await node.unsealed();
    assert.match(node.node.logs(), /unsealing by an automatic seal.*awskms/);
    await gate.shut();
    await node.restart();
    await node.unsealed();
    assert.match(node.node.logs(), /unsealing by an automatic seal.*static/);
    await back();
    await node.restart([kms, token]);
    await node.unsealed();
    assert.match(node.node.logs(), /unsealing by an automatic seal.*hsm/);
    assert.equal(await kept(), 'open sesame');
    await gate.open();
    await node.restart([kms, token, fixed]);
    await node.unsealed();
    await node.fullyWrapped();
  });

  test('one that fails later is noticed, warned of when only one is left, and noticed again when it is back', async () => {
    const back = await withoutHsm();
    await gate.shut();
    await node.backendsAre(({ working }) => working === 1, 'two seals to fail');
    const status = await node.backends();
    assert.match(status.warning, /only one of 3 seals still works/);
    assert.match(status.backends[0].error, /cannot be reached \(ECONNREFUSED\)/);
    assert.doesNotMatch(JSON.stringify(status), /127\.0\.0\.1/, 'anybody may ask');
    assert.match(node.node.logs(), /\[ERROR\].*only one of 3 seals still works/);
    const query = 'sys/metrics?format=prometheus';
    const { text } = await node.node.request('GET', query, { token: made.rootToken });
    assert.match(text, /^vault_seal_reachable\{seal="awskms",type="awskms"\} 0$/m);
    assert.match(text, /^vault_seal_reachable\{seal="static",type="static"\} 1$/m);
    assert.match(text, /^vault_seal_working 1$/m);
    const printed = await node.cli('operator', 'seal', 'status');
    assert.equal(printed.code, 2);
    assert.match(printed.stderr, /WARNING! only one of 3/);
    await back();
    await gate.open();
    await node.backendsAre(({ healthy }) => healthy === true, 'all seals to work again');
  });

  test('a server whose only seal is away is up and sealed, says why, and unseals itself when it is back', async () => {
    await node.restart([kms]);
    await node.unsealed();
    await node.fullyWrapped();
    await gate.shut();
    await node.restart();
    await node.backendsAre(({ healthy }) => healthy === false, 'the seal to be away');
    assert.equal(await node.health(), 503);
    const { backends } = await node.backends();
    assert.match(backends[0].error, /cannot be reached/);
    assert.equal((await node.node.request('GET', 'kv/kept', { token: made.rootToken })).status, 503);
    await gate.open();
    await node.unsealed();
    assert.equal(await kept(), 'open sesame');
    await gate.shut('silent');
    await node.restart();
    assert.equal(await node.health(), 503, 'also when it takes connections and says nothing');
    await gate.open();
    await node.unsealed();
  });

  test('with the recovery keys alone, and no key service, the server is unsealed', async () => {
    for (const stanzas of [[kms], [token], []]) {
      await node.restart([kms, token, fixed]);
      await node.unsealed();
      await node.fullyWrapped();
      await node.reload(stanzas);
      if (stanzas.length > 0) await node.fullyWrapped();
      const back = await withoutHsm();
      await gate.shut();
      await node.restart();
      assert.equal(await node.health(), 503);
      assert.equal((await node.unseal(made)).sealed, false);
      assert.equal(await kept(), 'open sesame');
      await gate.open();
      await back();
    }
    await node.restart([kms, token, fixed]);
    await node.unsealed();
    await node.fullyWrapped();
  });

  test('no secret of a stanza is in the log or in the configuration that is shown', async () => {
    const { data } = await node.ok('GET', 'sys/config/state/sanitized', { token: made.rootToken });
    const status = JSON.stringify([data, await node.backends(), await node.status()]);
    assert.match(status, /"type":"pkcs11","name":"hsm"/);
    for (const secret of [hsm.pin, moto.secretKey, String(fixed.options.current_key), ...made.shares])
      assert.ok(!`${status}${node.node.logs()}`.includes(secret), secret);
  });

  test('a seal that is added or taken out, and SIGHUP, do without a moment’s downtime', async () => {
    const failed: number[] = [];
    let requests = 0;
    let reading = true;
    const reader = (async () => {
      while (reading) {
        const { status } = await node.node.request('GET', 'kv/kept', { token: made.rootToken });
        requests++;
        if (status !== 200 && failed.push(status) > 3) break;
      }
    })();
    const second = staticSeal(2, { name: 'second', priority: 4 });
    await node.reload([kms, second]);
    await node.backendsAre(
      ({ backends, fully_wrapped }) => backends.length === 2 && fully_wrapped,
      'the second seal to have the root key',
    );
    await node.reload([second]);
    await node.fullyWrapped();
    await waitUntil(() => requests > 10, { what: 'requests' });
    reading = false;
    await reader;
    assert.deepEqual(failed, []);
    await node.restart();
    await node.unsealed();
    await node.restart([kms]);
    await node.backendsAre(({ healthy }) => healthy === false, 'the seal that was taken out to fail');
    assert.equal(await node.health(), 503);
    await node.reload([second]);
    await node.unsealed();
  });
});
