/** What the tests of snapshots do with a node over HTTP. */
import assert from 'node:assert/strict';
import type { CofferNode } from '../services/coffer.ts';
import type { JsonReply } from '../services/http.ts';

export const SNAPSHOT = 'sys/storage/raft/snapshot';

/** A node and a token that may do everything. */
export interface Target {
  readonly node: CofferNode;
  readonly token: string;
}

/** The reply of a request that must succeed. */
export async function ok(
  { node, token }: Target,
  method: string,
  path: string,
  body?: unknown,
): Promise<JsonReply> {
  const { status, text, json } = await node.request(method, path, {
    token,
    ...(body === undefined ? {} : { body }),
  });
  assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
  return text === '' ? {} : json();
}

export async function save({ node, token }: Target): Promise<Buffer> {
  const reply = await fetch(`${node.address}/v1/${SNAPSHOT}`, { headers: { 'X-Vault-Token': token } });
  assert.equal(reply.status, 200);
  assert.equal(reply.headers.get('content-type'), 'application/gzip');
  return Buffer.from(await reply.arrayBuffer());
}

export async function restore({ node, token }: Target, file: Uint8Array, path = SNAPSHOT) {
  const { status, text } = await node.request('POST', path, { token, body: file });
  return { status, text };
}

export async function expiryPaused(target: Target): Promise<boolean> {
  return (await ok(target, 'GET', 'sys/storage/snapshot/confirm')).data.expiry_paused;
}
