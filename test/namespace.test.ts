import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureNode } from './failures/node.ts';

test('a request for a namespace that is not there is not answered from the root', async () => {
  const node = await FailureNode.start();
  try {
    for (const [namespace, status] of [
      ['', 200],
      ['root', 200],
      ['/root/', 200],
      ['team-a', 404],
      ['team-a/', 404],
      ['../root', 404],
    ] as const) {
      const headers = { 'X-Vault-Namespace': namespace };
      const { status: got } = await node.request('GET', 'sys/mounts', { headers });
      assert.equal(got, status, namespace);
    }
  } finally {
    await node.stop();
  }
});
