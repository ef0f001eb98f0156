import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom as random } from '../base/random.ts';
import { UnwrapFailed } from './seal.ts';
import {
  createShamirSeal,
  publicKeyOfShares,
  RECOVERY,
  SHAMIR,
  shamirSeal,
  wrapForShares,
} from './shamir.ts';
import { combineShares } from './shares.ts';

const rootKey = random.bytes(32);

test('what is wrapped to the public key of shares is opened by them alone', async () => {
  const { seal, shares, publicKey } = await createShamirSeal({
    shares: 3,
    threshold: 2,
    random,
    name: RECOVERY,
  });
  const wrapped = await wrapForShares({ rootKey, publicKey, random, name: RECOVERY });
  assert.deepEqual(await seal.unwrap(wrapped), rootKey);
  assert.deepEqual(await seal.unwrap(await seal.wrap(rootKey)), rootKey);
  const together = await combineShares(shares.slice(1));
  assert.deepEqual(publicKeyOfShares(together), publicKey);
  assert.deepEqual(await shamirSeal({ key: together, random, name: RECOVERY }).unwrap(wrapped), rootKey);
  const other = shamirSeal({ key: random.bytes(32), random, name: RECOVERY });
  await assert.rejects(other.unwrap(wrapped), UnwrapFailed);
});

test('it is bound to its seal, and no byte of it can be changed or missing', async () => {
  const key = random.bytes(32);
  const publicKey = publicKeyOfShares(key);
  const seal = shamirSeal({ key, random, name: RECOVERY });
  const wrapped = await wrapForShares({ rootKey, publicKey, random, name: RECOVERY });
  await assert.rejects(seal.unwrap({ ...wrapped, seal: SHAMIR }), UnwrapFailed);
  await assert.rejects(seal.unwrap({ ...wrapped, key_id: 'shares' }), UnwrapFailed);
  const bytes = Buffer.from(wrapped.ciphertext, 'base64');
  for (const end of [0, 100, 1120, bytes.length - 1]) {
    const ciphertext = bytes.subarray(0, end).toString('base64');
    await assert.rejects(seal.unwrap({ ...wrapped, ciphertext }), UnwrapFailed, `${end} bytes`);
  }
  for (let at = 0; at < bytes.length; at += 97) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 0x10;
    const ciphertext = changed.toString('base64');
    await assert.rejects(seal.unwrap({ ...wrapped, ciphertext }), UnwrapFailed, `byte ${at}`);
  }
});
