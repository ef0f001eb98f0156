/** `seal "awskms"` against moto, with AWS's own client. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sealConformance, testSealDeps } from '../../src/seal/conformance.ts';
import { openSeal } from '../../src/seal/registry.ts';
import { SealUnavailable } from '../../src/seal/seal.ts';
import { type Gate, gateTo } from '../services/gate.ts';
import { available, type Moto, start } from '../services/moto.ts';

describe('an AWS KMS seal', { skip: available() ?? false }, () => {
  let moto: Moto;
  let gate: Gate;
  before(async () => {
    moto = await start();
    gate = await gateTo(Number(new URL(moto.address).port));
  });
  after(async () => {
    await gate?.close();
    await moto?.stop();
  });

  const createKey = async (): Promise<string> => {
    const { KeyMetadata } = await moto.json('kms', 'TrentService.CreateKey', {});
    return (KeyMetadata as { KeyId: string }).KeyId;
  };
  const open = (key: string, more: Record<string, string> = {}) => {
    const options = {
      kms_key_id: key,
      region: moto.region,
      endpoint: `http://127.0.0.1:${gate.port}`,
      access_key: moto.accessKey,
      secret_key: moto.secretKey,
      ...more,
    };
    return openSeal({ type: 'awskms', name: 'kms', options }, testSealDeps);
  };

  sealConformance('awskms', async () => {
    const alias = `alias/root-${await createKey()}`;
    const point = async (operation: string) =>
      moto.json('kms', `TrentService.${operation}`, { AliasName: alias, TargetKeyId: await createKey() });
    await point('CreateAlias');
    return {
      open: () => open(alias),
      rotate: async () => void (await point('UpdateAlias')),
      async away() {
        await gate.shut();
        return () => gate.open();
      },
      secrets: [moto.secretKey],
      seen: () => moto.logs(),
      close: async () => {},
    };
  });

  test('a key that is not there is said to be not there', async () => {
    const seal = await open('11111111-1111-1111-1111-111111111111');
    await assert.rejects(seal.wrap(Buffer.alloc(32)), (error: Error) => {
      assert.ok(error instanceof SealUnavailable);
      assert.match(error.message, /answered 400: NotFoundException/);
      return true;
    });
    seal.close();
  });

  test('a service that takes the connection and says nothing is given up', async () => {
    const seal = await open(await createKey());
    await seal.wrap(Buffer.alloc(32));
    await gate.shut('silent');
    try {
      await assert.rejects(seal.wrap(Buffer.alloc(32)), /no answer within 15s/);
    } finally {
      await gate.open();
      seal.close();
    }
  });
});
