import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { available, runHvac } from './hvac.ts';

test('hvac runs a script against an address and hands back its result', {
  skip: available() ?? false,
}, async () => {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ data: { url: request.url, token: request.headers['x-vault-token'] } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const result = await runHvac({ address, token: 'abc' }, "result = client.read(input['path'])['data']", {
      path: 'secret/x',
    });
    assert.deepEqual(result, { url: '/v1/secret/x', token: 'abc' });
    await assert.rejects(runHvac({ address }, 'raise ValueError("no")'), /ValueError: no/);
  } finally {
    server.close();
  }
});
