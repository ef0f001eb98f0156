/**
 * Normalise, then check: no spelling of a path reaches what a policy keeps its plain form from. The token here may do
 * everything but that one path.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { callAsMeant, type Endpoint, endpoints, prepare } from './endpoints.ts';
import { FailureNode } from './node.ts';

const EVERYTHING =
  'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "scan", "sudo"] }';

/** Writes under odd names make things that reads would then find. */
const ORDER = ['GET', 'LIST', 'SCAN', 'POST', 'PATCH', 'DELETE'];

describe('a path that a policy denies', () => {
  let node: FailureNode;
  let guarded: Endpoint[];
  before(async () => {
    node = await FailureNode.start();
    await node.mountEverything();
    guarded = endpoints(node)
      .filter(({ path }) => !path.public)
      .sort((a, b) => ORDER.indexOf(a.method) - ORDER.indexOf(b.method));
    await prepare(node);
  });
  after(() => node.stop());

  it('is out of reach however it is spelled', async () => {
    const failures: string[] = [];
    for (const endpoint of guarded) {
      await prepareAgain(node, endpoint);
      const token = await denied(node, endpoint);
      assert.equal(
        (await callAsMeant(node, endpoint, token)).status,
        403,
        `${endpoint.method} ${endpoint.url}`,
      );
      const plain = await shown(node, endpoint);
      for (const url of spellings(endpoint)) {
        const { status, text } = await callAsMeant(node, { ...endpoint, url }, token);
        assert.ok(status < 500 || status === 502, `${endpoint.method} ${url}: ${status} ${text}`);
        const same = (await shown(node, endpoint)) === plain;
        const reached =
          status < 300 &&
          (!same || (plain !== undefined && dataOf(text) === plain) || leadsTo(endpoint, url));
        if (reached) failures.push(`${endpoint.method} ${url}: ${status}, denied is ${endpoint.url}`);
        else if (!same) failures.push(`${endpoint.method} ${url} changed ${endpoint.url}`);
        if (!same) await prepareAgain(node, endpoint);
      }
    }
    assert.deepEqual(failures, []);
  });
});

/** Deletions take away what others look for. */
async function prepareAgain(node: FailureNode, { method }: Endpoint): Promise<void> {
  if (method === 'DELETE') await prepare(node).catch(() => {});
}

/** A fresh token for all but the endpoint's path. */
function denied(node: FailureNode, { method, url }: Endpoint): Promise<string> {
  const path = method === 'LIST' || method === 'SCAN' ? `${url}/` : url;
  return node.tokenWith(`${EVERYTHING}\npath "${path}" { capabilities = ["deny"] }`);
}

/** What a reader of the plain path sees; undefined where nobody can read it, or it is never the same. */
async function shown(node: FailureNode, { path, url }: Endpoint): Promise<string | undefined> {
  if (!path.operations.read || path.operations.read.outside || NEVER_THE_SAME.test(url)) return undefined;
  const { status, text } = await node.request('GET', url);
  return status < 300 ? dataOf(text) : undefined;
}
const NEVER_THE_SAME =
  /backup|byok-export|generate|host-info|inspect|in-flight|metrics|lookup-self|key-status|pprof|leases\/top/;

function dataOf(text: string): string {
  return text === '' ? '' : JSON.stringify((JSON.parse(text) as { data?: unknown }).data ?? null);
}

/** Whether the router takes the spelling for the very same thing. */
function leadsTo({ mount, path, url }: Endpoint, spelled: string): boolean {
  const decoded = decodeURIComponent(spelled.replace(/\?.*/, '')).replace(/\/{2,}/g, '/');
  if (!decoded.startsWith(mount.info.path)) return false;
  const plain = mount.table.match(url.slice(mount.info.path.length));
  const odd = mount.table.match(decoded.slice(mount.info.path.length));
  return odd?.path === path && JSON.stringify(odd.captures) === JSON.stringify(plain?.captures);
}

function spellings({ url, method }: Endpoint): string[] {
  const slash = url.indexOf('/');
  const last = url.lastIndexOf('/');
  const [first, rest] = [url.slice(0, slash), url.slice(slash + 1)];
  const [folder, name] = [url.slice(0, last), url.slice(last + 1)];
  const listing = method === 'LIST' || method === 'SCAN';
  return [
    ...(listing ? [] : [`${url}/`, `${url}//`, `${url}%2f`]),
    `/${url}`,
    `./${url}`,
    `x/../${url}`,
    `${first}//${rest}`,
    `${first}/./${rest}`,
    `${first}/x/../${rest}`,
    `${folder}//${name}`,
    `${folder}%2f${name}`,
    `${folder}%2F${name}`,
    `${folder}%252f${name}`,
    `${folder}/%2e/${name}`,
    `${folder}/x/%2e%2e/${name}`,
    `${folder}/x/%252e%252e/${name}`,
    `${folder}\\${name}`,
    `${folder}%5c${name}`,
    `${folder}/${percent(name)}`,
    `${folder}/${name.toUpperCase()}`,
    `${folder}/${name[0]!.toUpperCase()}${name.slice(1)}`,
    `${first.toUpperCase()}/${rest}`,
    url.toUpperCase(),
    `${url}%20`,
    `${folder}/%20${name}`,
    `${url}%09`,
    `${url}%00`,
    `${url}%0a`,
    `${url};x=y`,
    `${url}%3f`,
    `${url}%23`,
    `${url}.`,
    `${url}%c2%ad`,
    `${url}%e2%80%8b`,
    `${folder}/${name.replaceAll('s', 'ſ').replaceAll('k', '\u212a')}`.replaceAll(
      /[^\x20-\x7e]/g,
      encodeURIComponent,
    ),
    `${folder}/${fullWidth(name)}`,
  ].filter((spelled) => spelled !== url);
}

function percent(text: string): string {
  return [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
}

/** Letters that Unicode's compatibility forms fold into the plain ones. */
function fullWidth(text: string): string {
  return encodeURIComponent(
    text.replaceAll(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
  );
}
