import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { runCoffer } from './testing.ts';

/** A server that ends a hundred leases with each look at them, after it was asked to. */
async function serve(
  t: TestContext,
  leases: number,
  status = 204,
): Promise<{ address: string; looks: () => number }> {
  let left = leases;
  let revoking = false;
  let looks = 0;
  const server = createServer((request, response) => {
    if (request.method === 'PUT') {
      revoking = status === 204;
      response.writeHead(status).end(status === 204 ? undefined : '{"errors":["no"]}');
      return;
    }
    looks++;
    const keys = Array.from({ length: left }, (_, at) => `lease-${at}`);
    if (revoking) left = Math.max(0, left - 100);
    response.writeHead(keys.length > 0 ? 200 : 404).end(JSON.stringify({ data: { keys }, errors: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, looks: () => looks };
}

const clock: typeof systemClock = {
  ...systemClock,
  after: (delayMs, work) => systemClock.after(delayMs > 1000 ? delayMs : 5, work),
};

function revoke(address: string, isTerminal: boolean) {
  const environment = { VAULT_ADDR: address, VAULT_TOKEN: 't' };
  return runCoffer(['lease', 'revoke', '-prefix', 'db/creds'], { environment, isTerminal, clock });
}

test('on a terminal many leases are counted down to none (a mock)', async (t) => {
  const { address } = await serve(t, 450);
  const result = await revoke(address, true);
  assert.equal(result.code, 0);
  assert.match(result.error, /\[\.{30}\] 0 of 450/);
  assert.match(result.error, /\[#{30}\] 450 of 450\n$/);
  assert.equal(result.output, 'All revocation operations queued successfully!\n');
});

test('few leases, or no terminal, show nothing (a mock)', async (t) => {
  const few = await serve(t, 3);
  assert.equal((await revoke(few.address, true)).error, '');
  const many = await serve(t, 450);
  assert.equal((await revoke(many.address, false)).error, '');
  assert.equal(many.looks(), 0);
});

test('a refusal ends the display at once (a mock)', async (t) => {
  const { address } = await serve(t, 450, 400);
  const result = await revoke(address, true);
  assert.equal(result.code, 2);
  assert.match(result.error, /Error revoking leases with prefix db\/creds/);
});
