import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as errors from '../base/errors.ts';
import { errorReply, isUnexpected, ProtocolError } from './errors.ts';

describe('error replies', () => {
  const classes = Object.values(errors).filter((type) => type.prototype instanceof errors.CofferError);
  for (const Failure of classes as unknown as (new (
    text: string,
  ) => errors.CofferError)[]) {
    test(`${Failure.name} has a status`, () => {
      const error = new Failure('text');
      assert.equal(isUnexpected(error), false);
      const reply = errorReply(error);
      assert.ok(reply.status >= 400 && reply.status < 600);
      assert.deepEqual(reply.body, { errors: [error.message] });
    });
  }

  test('nothing is told of an error that is not ours, nor of one of ours without a status', () => {
    class Unknown extends errors.CofferError {
      readonly code = 'unheard_of';
    }
    for (const error of [new Error('s3cret'), new Unknown('s3cret'), 's3cret', undefined, null]) {
      assert.equal(isUnexpected(error), true);
      assert.deepEqual(errorReply(error), { status: 500, body: { errors: ['internal error'] } });
    }
  });

  test('a broken message keeps its own status', () => {
    const error = new ProtocolError(431, 'too large');
    assert.equal(isUnexpected(error), false);
    assert.deepEqual(errorReply(error), { status: 431, body: { errors: ['too large'] } });
  });
});
