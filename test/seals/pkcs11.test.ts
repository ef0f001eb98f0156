/** `seal "pkcs11"` against SoftHSM. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sealConformance, testSealDeps } from '../../src/seal/conformance.ts';
import { openPkcs11 } from '../../src/seal/pkcs11/service.ts';
import { openSeal } from '../../src/seal/registry.ts';
import { SealUnavailable, UnwrapFailed } from '../../src/seal/seal.ts';
import { temporaryFolder } from '../services/folder.ts';
import { runProcess, waitUntil } from '../services/process.ts';
import { available, type SoftHsm, start } from '../services/softhsm.ts';

describe('a PKCS#11 seal', { skip: available() ?? false }, () => {
  let hsm: SoftHsm;
  before(async () => {
    hsm = await start();
    await hsm.createAesKey('root', '01');
    await hsm.createAesKey('root-2', '02');
    await hsm.createRsaKey('pair', '03');
    await hsm.createRsaKey('pair-2', '04');
  });
  after(() => hsm?.stop());

  const open = (options: Record<string, string>, environment = hsm.environment) => {
    const base = { lib: hsm.lib, token_label: hsm.tokenLabel, pin: hsm.pin };
    const deps = { ...testSealDeps, environment };
    return openSeal({ type: 'pkcs11', name: 'hsm', options: { ...base, ...options } }, deps);
  };

  for (const [name, first, second, options] of [
    ['AES-GCM', 'root', 'root-2', {}],
    ['RSA-OAEP', 'pair', 'pair-2', { rsa_oaep_hash: 'sha1' }],
  ] as const)
    sealConformance(`pkcs11 by ${name}`, async () => {
      let label: string = first;
      return {
        open: () => open({ ...options, key_label: label }),
        async rotate() {
          label = second;
        },
        async away() {
          const configuration = hsm.environment.SOFTHSM2_CONF!;
          await rename(configuration, `${configuration}.away`);
          return () => rename(`${configuration}.away`, configuration);
        },
        secrets: [hsm.pin],
        close: async () => {},
      };
    });

  test('a key is found by its id, and by the mechanism that is asked for', async () => {
    const rootKey = Buffer.alloc(32, 1);
    const byId = await open({ key_id: '0x02', mechanism: '0x1087' });
    const wrapped = await byId.wrap(rootKey);
    assert.equal(wrapped.key_id, 'id:02');
    assert.deepEqual(await byId.unwrap(wrapped), rootKey);
    const wrong = await open({ key_label: 'root', mechanism: '9' });
    await assert.rejects(wrong.wrap(rootKey), /the token has no fitting key "root"/);
  });

  test('a key that is missing is made where that is asked for, and never leaves the token', async () => {
    const seal = await open({ key_label: 'made', generate_key: 'true' });
    const wrapped = await seal.wrap(Buffer.alloc(32, 2));
    const again = await open({ key_label: 'made' });
    assert.deepEqual(await again.unwrap(wrapped), Buffer.alloc(32, 2));
    const { stdout } = await runProcess({
      command: 'pkcs11-tool',
      args: ['--module', hsm.lib, '--login', '--pin', hsm.pin, '--list-objects', '--type', 'secrkey'],
      env: hsm.environment,
    });
    const made = stdout.split('Secret Key Object').find((text) => text.includes('made'))!;
    assert.match(made, /AES length 32/);
    assert.match(made, /sensitive/);
    assert.doesNotMatch(made, /Access:.*[^r] extractable/);
  });

  test('a wrong PIN is tried once, so that the token does not lock itself', async () => {
    const folder = await temporaryFolder('pin');
    const counted = join(folder.path, 'pin');
    await writeFile(counted, 'wrong');
    const seal = await open({ key_label: 'root', pin: `file://${counted}` });
    await assert.rejects(seal.wrap(Buffer.alloc(32)), (error: Error) => {
      assert.ok(error instanceof SealUnavailable && !(error instanceof UnwrapFailed));
      assert.match(error.message, /CKR_PIN_INCORRECT/);
      assert.doesNotMatch(error.message, /wrong/);
      return true;
    });
    await assert.rejects(seal.wrap(Buffer.alloc(32)), /the PIN is wrong; it is not tried again/);
    await writeFile(counted, `${hsm.pin}\n`);
    assert.equal((await seal.wrap(Buffer.alloc(32))).key_id, 'root');
    await folder.remove();
  });

  test('a library that is missing, or is none, is told', async () => {
    for (const lib of ['/none.so', import.meta.filename, process.execPath]) {
      const seal = await open({ key_label: 'k', lib });
      await assert.rejects(seal.wrap(Buffer.alloc(32)), SealUnavailable);
    }
  });

  test('a library that hangs is ended with its process', async () => {
    const folder = await temporaryFolder('library');
    const lib = join(folder.path, 'fifo.so');
    await runProcess({ command: 'mkfifo', args: [lib] });
    const options = { lib, slot: '1', pin: hsm.pin, key_label: 'k' };
    const service = openPkcs11(options, { ...testSealDeps, environment: {} });
    const controller = new AbortController();
    const asked = service.encrypt(Buffer.alloc(32), controller.signal);
    const hanging = () =>
      globSync('/proc/[0-9]*/cmdline').filter((file) => {
        try {
          return readFileSync(file, 'utf8').includes('pkcs11/child.ts');
        } catch {
          return false;
        }
      });
    await waitUntil(() => hanging().length > 0, { what: 'the process' });
    setTimeout(() => controller.abort(), 300);
    await assert.rejects(asked, SealUnavailable);
    await waitUntil(() => hanging().length === 0, { what: 'the end of the process' });
    await folder.remove();
  });

  test('the server goes on while the token works', async () => {
    const seal = await open({ key_label: 'root' });
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    await seal.wrap(Buffer.alloc(32));
    clearInterval(ticking);
    assert.ok(turns > 3, `${turns}`);
  });

  test('mistakes are told by the name of the option', async () => {
    for (const [options, message] of [
      [{ key_label: 'k', token_label: '' }, /slot or token_label must be set/],
      [{ key_label: 'k', slot: '0x10' }, /slot must be a decimal number/],
      [{}, /key_label or key_id must be set/],
      [{ key_id: 'xyz' }, /key_id must be hexadecimal/],
      [{ key_label: 'k', mechanism: '0x1085' }, /mechanism must be 0x1087/],
      [{ key_label: 'k', rsa_oaep_hash: 'md5' }, /rsa_oaep_hash must be one of/],
      [{ key_label: 'k', pin: '' }, /pin must be set/],
    ] as const)
      await assert.rejects(open(options), message);
  });
});
