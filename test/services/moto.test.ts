import assert from 'node:assert/strict';
import test from 'node:test';
import { available, start } from './moto.ts';

test('moto answers as KMS and as S3', { skip: available() ?? false }, async () => {
  const moto = await start();
  try {
    const { KeyMetadata } = await moto.json('kms', 'TrentService.CreateKey', {});
    assert.match(JSON.stringify(KeyMetadata), /"KeyId"/);
    await assert.rejects(moto.json('kms', 'TrentService.DescribeKey', { KeyId: 'none' }), /NotFound/);
    assert.equal((await moto.request('s3', 'PUT', '/bucket')).status, 200);
    assert.equal((await moto.request('s3', 'PUT', '/bucket/object', 'content')).status, 200);
    assert.equal((await moto.request('s3', 'GET', '/bucket/object')).text, 'content');
    assert.match(moto.logs(), /PUT \/bucket\/object/);
  } finally {
    await moto.stop();
  }
});
