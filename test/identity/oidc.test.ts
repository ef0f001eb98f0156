/** Identity tokens and the OpenID provider of a running node; the relying party is npm's openid-client, unmodified. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import type { CofferNode } from '../services/coffer.ts';
import * as coffer from '../services/coffer.ts';

const REDIRECT = 'http://127.0.0.1:9999/callback';
const CANARY = 'canary-metadata-7fe1';

let node: CofferNode;
let keys: coffer.UnsealKeys;
let root: string;
let ann: { token: string; entityId: string; accessor: string };
let bob: { token: string; entityId: string };

const post = async (path: string, body: unknown, token = root) => {
  const answer = await node.request('POST', path, { token, body });
  assert.ok(answer.status < 300, `${path}: ${answer.text}`);
  return answer;
};
const get = async (path: string, token = root) => {
  const answer = await node.request('GET', path, { token });
  assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  return answer.json().data;
};

before(async () => {
  node = await coffer.start({ audit: true });
  keys = await node.initAndUnseal();
  root = keys.rootToken;
  await post('sys/auth/userpass', { type: 'userpass' });
  await post('sys/policies/acl/tokens', {
    policy: 'path "identity/oidc/token/*" { capabilities = ["read"] }',
  });
  const accessor = (await get('sys/auth/userpass')).accessor;
  const logIn = async (name: string) => {
    await post(`auth/userpass/users/${name}`, { password: 'pw-of-them', token_policies: 'tokens' });
    const { auth } = (await post(`auth/userpass/login/${name}`, { password: 'pw-of-them' }, '')).json();
    return { token: auth.client_token as string, entityId: auth.entity_id as string, accessor };
  };
  ann = await logIn('ann');
  bob = await logIn('bob');
  await post(`identity/entity/id/${ann.entityId}`, { metadata: { email: CANARY } });
  await post('identity/group', { name: 'ops', member_entity_ids: [ann.entityId] });
});
after(() => node?.stop());

describe('identity tokens', () => {
  before(async () => {
    await post('identity/oidc/key/signer', {
      algorithm: 'ES256',
      allowed_client_ids: '*',
      verification_ttl: '2h',
      rotation_period: '1h',
    });
    await post('identity/oidc/role/app', {
      key: 'signer',
      ttl: '1h',
      template: `{"login": {{identity.entity.aliases.${ann.accessor}.name}}, "groups": {{identity.entity.groups.names}}}`,
    });
  });

  const verify = (token: string) =>
    jwtVerify(token, createRemoteJWKSet(new URL(`${node.address}/v1/identity/oidc/.well-known/keys`)), {
      issuer: `${node.address}/v1/identity/oidc`,
    });

  test('say who the caller is, to a library that fetches the keys', async () => {
    const { token, client_id, ttl } = await get('identity/oidc/token/app', ann.token);
    assert.equal(ttl, 3600);
    const { payload } = await verify(token);
    const { iat, exp, ...claims } = payload;
    assert.equal((exp ?? 0) - (iat ?? 0), 3600);
    assert.deepEqual(claims, {
      iss: `${node.address}/v1/identity/oidc`,
      namespace: 'root',
      sub: ann.entityId,
      aud: client_id,
      login: 'ann',
      groups: ['ops'],
    });
    const discovered = (await node.request('GET', 'identity/oidc/.well-known/openid-configuration')).json();
    assert.equal(discovered.jwks_uri, `${node.address}/v1/identity/oidc/.well-known/keys`);
  });

  test('stay good over a rotation and a restart, and are inactive once the entity is disabled', async () => {
    const { token, client_id } = await get('identity/oidc/token/app', bob.token);
    await post('identity/oidc/key/signer/rotate', {});
    await verify(token);
    const introspect = async (body: object) => (await post('identity/oidc/introspect', body)).json();
    assert.deepEqual(await introspect({ token }), { active: true });
    assert.deepEqual(await introspect({ token, client_id }), { active: true });
    assert.deepEqual(await introspect({ token, client_id: 'other' }), {
      active: false,
      error: 'invalid aud',
    });
    const forged = `${token.slice(0, -6)}AAAAAA`;
    assert.equal((await introspect({ token: forged })).active, false);
    assert.equal((await introspect({ token: 'no token' })).active, false);
    await post(`identity/entity/id/${bob.entityId}`, { disabled: true });
    assert.deepEqual(await introspect({ token }), { active: false, error: 'entity is disabled' });
    await post(`identity/entity/id/${bob.entityId}`, { disabled: false });
    await post('identity/oidc/key/signer/rotate', { verification_ttl: 0 });
    await post('identity/oidc/key/signer/rotate', { verification_ttl: 0 });
    const after = await get('identity/oidc/token/app', bob.token);
    await verify(after.token);
  });

  test('are refused to tokens without an entity, unknown roles, and keys that do not allow the role', async () => {
    const refused = async (role: string, token: string) => {
      const answer = await node.request('GET', `identity/oidc/token/${role}`, { token });
      assert.equal(answer.status, 400);
      return answer.json().errors[0];
    };
    assert.equal(await refused('app', root), "no entity associated with the request's token");
    assert.match(await refused('none', ann.token), /role "none" not found/);
    await post('identity/oidc/key/narrow', { allowed_client_ids: 'somebody', verification_ttl: '24h' });
    await post('identity/oidc/role/narrow', { key: 'narrow' });
    assert.match(await refused('narrow', ann.token), /does not list the client ID/);
  });

  test('keys in use are neither deleted nor shortened', async () => {
    const refused = async (method: string, path: string, body?: unknown) => {
      const answer = await node.request(method, path, { token: root, body });
      assert.equal(answer.status, 400, answer.text);
      return answer.json().errors[0] as string;
    };
    assert.match(
      await refused('DELETE', 'identity/oidc/key/signer'),
      /currently referenced by these roles: app/,
    );
    assert.match(await refused('DELETE', 'identity/oidc/key/default'), /not allowed/);
    assert.match(
      await refused('POST', 'identity/oidc/key/signer', { verification_ttl: '1m' }),
      /unable to update/,
    );
    assert.match(await refused('POST', 'identity/oidc/role/app', { ttl: '9h' }), /cannot be longer than/);
    assert.match(await refused('POST', 'identity/oidc/role/x', { key: 'none' }), /cannot find key/);
    assert.match(
      await refused('POST', 'identity/oidc/role/x', { key: 'signer', template: '{"sub": 1}' }),
      /not allowed/,
    );
    assert.match(
      await refused('POST', 'identity/oidc/config', { issuer: 'https://a.example/path' }),
      /invalid issuer/,
    );
    assert.equal((await node.request('GET', 'identity/oidc/role/x', { token: root })).status, 404);
  });
});

describe('the OpenID provider with openid-client', () => {
  let clientId: string;
  let clientSecret: string;

  before(async () => {
    await post('identity/oidc/scope/profile', {
      template: '{"email": {{identity.entity.metadata.email}}, "name": {{identity.entity.name}}}',
      description: 'who it is',
    });
    await post('identity/oidc/scope/teams', { template: '{"teams": {{identity.entity.groups.names}}}' });
    await post('identity/oidc/assignment/only-ann', { entity_ids: [ann.entityId] });
    await post('identity/oidc/client/shop', {
      redirect_uris: [REDIRECT],
      assignments: ['only-ann'],
      id_token_ttl: '30m',
    });
    ({ client_id: clientId, client_secret: clientSecret } = await get('identity/oidc/client/shop'));
    await post('identity/oidc/provider/corp', {
      allowed_client_ids: [clientId],
      scopes_supported: ['profile', 'teams'],
    });
  });

  const discover = (id: string, authentication?: client.ClientAuth) =>
    client.discovery(
      new URL(`${node.address}/v1/identity/oidc/provider/corp`),
      id,
      undefined,
      authentication,
      {
        execute: [client.allowInsecureRequests],
      },
    );

  /** What the page would do for the person who is logged in with this token. */
  async function signIn(url: URL, token = ann.token): Promise<URL> {
    const answer = await node.request('GET', `identity/oidc/provider/corp/authorize${url.search}`, { token });
    assert.equal(answer.status, 200, answer.text);
    assert.match(String(answer.headers['cache-control']), /no-store/);
    const { code, state } = answer.json();
    return new URL(`${REDIRECT}?${new URLSearchParams({ code, state })}`);
  }

  for (const [title, authenticate] of [
    ['client_secret_basic', client.ClientSecretBasic],
    ['client_secret_post', client.ClientSecretPost],
  ] as const) {
    test(`a confidential client signs somebody in (${title})`, async () => {
      const relying = await discover(clientId, authenticate(clientSecret));
      const verifier = client.randomPKCECodeVerifier();
      const checks = { expectedState: client.randomState(), expectedNonce: client.randomNonce() };
      const url = client.buildAuthorizationUrl(relying, {
        redirect_uri: REDIRECT,
        scope: 'openid profile teams unknown',
        state: checks.expectedState,
        nonce: checks.expectedNonce,
        max_age: '3600',
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      assert.equal(url.pathname, '/ui/identity/oidc/provider/corp/authorize');
      const back = await signIn(url);
      const tokens = await client.authorizationCodeGrant(relying, back, {
        ...checks,
        pkceCodeVerifier: verifier,
        maxAge: 3600,
      });
      const claims = tokens.claims();
      assert.equal(claims?.sub, ann.entityId);
      assert.equal(claims?.email, CANARY);
      assert.deepEqual(claims?.teams, ['ops']);
      assert.equal((claims?.exp ?? 0) - (claims?.iat ?? 0), 1800);
      const info = await client.fetchUserInfo(relying, tokens.access_token, ann.entityId);
      assert.deepEqual(info.teams, ['ops']);
      await assert.rejects(
        client.authorizationCodeGrant(relying, back, { ...checks, pkceCodeVerifier: verifier }),
        {
          error: 'invalid_grant',
        },
      );
      const elsewhere = await node.request('GET', 'sys/mounts', { token: tokens.access_token });
      assert.equal(elsewhere.status, 403);
      const otherProvider = await node.request('GET', 'identity/oidc/provider/default/userinfo', {
        token: tokens.access_token,
      });
      assert.equal(otherProvider.status, 403);
      const introspected = await node.request('POST', 'identity/oidc/introspect-access-token', {
        body: { client_id: clientId, client_secret: clientSecret, token: tokens.access_token },
      });
      assert.equal(introspected.json().active, true);
    });
  }

  test('a public client needs PKCE, and the verifier must be the right one', async () => {
    await post('identity/oidc/client/phone', {
      client_type: 'public',
      redirect_uris: ['http://127.0.0.1/cb'],
      assignments: ['allow_all'],
    });
    const phone = await get('identity/oidc/client/phone');
    assert.equal(phone.client_secret, undefined);
    await post('identity/oidc/provider/corp', { allowed_client_ids: [clientId, phone.client_id] });
    const relying = await discover(phone.client_id, client.None());
    const verifier = client.randomPKCECodeVerifier();
    const challenge = await client.calculatePKCECodeChallenge(verifier);
    const redirect_uri = 'http://127.0.0.1:4711/cb';
    const ask = (more: Record<string, string>) =>
      client.buildAuthorizationUrl(relying, { redirect_uri, scope: 'openid', state: 's', ...more });
    const bare = await node.request('GET', `identity/oidc/provider/corp/authorize${ask({}).search}`, {
      token: ann.token,
    });
    assert.equal(bare.status, 400);
    assert.equal(bare.json().error, 'invalid_request');
    const code = async () => {
      const url = ask({ code_challenge: challenge, code_challenge_method: 'S256' });
      const answer = await node.request('POST', 'identity/oidc/provider/corp/authorize', {
        token: bob.token,
        body: Object.fromEntries(url.searchParams),
      });
      return new URL(`${redirect_uri}?${new URLSearchParams(answer.json())}`);
    };
    await assert.rejects(
      client.authorizationCodeGrant(relying, await code(), {
        expectedState: 's',
        pkceCodeVerifier: client.randomPKCECodeVerifier(),
      }),
      { error: 'invalid_grant' },
    );
    const tokens = await client.authorizationCodeGrant(relying, await code(), {
      expectedState: 's',
      pkceCodeVerifier: verifier,
    });
    assert.equal(tokens.claims()?.sub, bob.entityId);
  });

  test('a client has tokens for itself', async () => {
    const relying = await discover(clientId, client.ClientSecretBasic(clientSecret));
    const tokens = await client.clientCredentialsGrant(relying, { scope: 'openid' });
    const info = await node.request('GET', 'identity/oidc/provider/corp/userinfo', {
      headers: { Authorization: `Bearer ${tokens.access_token}` },
    });
    assert.deepEqual(info.json(), { sub: clientId });
  });

  test('what is wrong with an authentication request is told in the protocol’s words', async () => {
    const good = { scope: 'openid', response_type: 'code', client_id: clientId, redirect_uri: REDIRECT };
    const refused = async (change: Record<string, string>, token = ann.token) => {
      const query = new URLSearchParams({ ...good, ...change });
      const answer = await node.request('GET', `identity/oidc/provider/corp/authorize?${query}`, { token });
      assert.equal(answer.status, 400, answer.text);
      return answer.json().error;
    };
    assert.equal(await refused({ scope: 'profile' }), 'invalid_scope');
    assert.equal(await refused({ response_type: 'token' }), 'unsupported_response_type');
    assert.equal(await refused({ client_id: 'nobody' }), 'invalid_client_id');
    assert.equal(await refused({ redirect_uri: `${REDIRECT}/more` }), 'invalid_redirect_uri');
    assert.equal(
      await refused({ redirect_uri: REDIRECT.replace('127.0.0.1', 'localhost') }),
      'invalid_redirect_uri',
    );
    assert.equal(await refused({ request: 'x' }), 'request_not_supported');
    assert.equal(await refused({ request_uri: 'https://a.example' }), 'request_uri_not_supported');
    assert.equal(await refused({ code_challenge: 'short' }), 'invalid_request');
    assert.equal(await refused({ max_age: '0' }), 'max_age_violation');
    assert.equal(await refused({}, bob.token), 'access_denied');
    assert.equal(await refused({}, root), 'access_denied');
    const noToken = await node.request(
      'GET',
      `identity/oidc/provider/corp/authorize?${new URLSearchParams(good)}`,
    );
    assert.equal(noToken.status, 403);
  });

  test('what is wrong with a token request is too', async () => {
    const ask = (body: Record<string, string>, headers = {}) =>
      node.request('POST', 'identity/oidc/provider/corp/token', { body, headers });
    const wrong = await ask({
      grant_type: 'authorization_code',
      client_id: clientId,
      client_secret: 'guess',
      code: 'x',
    });
    assert.deepEqual([wrong.status, wrong.json().error], [401, 'invalid_client']);
    assert.match(String(wrong.headers['www-authenticate']), /^Basic /);
    const own = { client_id: clientId, client_secret: clientSecret };
    for (const [body, error] of [
      [{}, 'invalid_request'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ grant_type: 'authorization_code', redirect_uri: REDIRECT }, 'invalid_request'],
      [{ grant_type: 'authorization_code', redirect_uri: REDIRECT, code: 'made-up' }, 'invalid_grant'],
      [{ grant_type: 'client_credentials', scope: 'profile' }, 'invalid_scope'],
    ] as const) {
      const answer = await ask({ ...own, ...body });
      assert.deepEqual([answer.status, answer.json().error], [400, error], answer.text);
    }
  });

  test('codes survive a restart, and whoever may no longer sign in gets nothing for one', async () => {
    const query = new URLSearchParams({
      scope: 'openid',
      response_type: 'code',
      client_id: clientId,
      redirect_uri: REDIRECT,
    });
    const code = async () =>
      (
        await node.request('GET', `identity/oidc/provider/corp/authorize?${query}`, { token: ann.token })
      ).json().code;
    const redeem = (of: string) =>
      node.request('POST', 'identity/oidc/provider/corp/token', {
        body: {
          grant_type: 'authorization_code',
          client_id: clientId,
          client_secret: clientSecret,
          redirect_uri: REDIRECT,
          code: of,
        },
      });
    const later = await code();
    await node.kill9();
    await node.restart();
    await node.unseal(keys);
    await post('identity/oidc/assignment/only-ann', { entity_ids: [bob.entityId] });
    assert.equal((await redeem(later)).json().error, 'access_denied');
    await post('identity/oidc/assignment/only-ann', { entity_ids: [ann.entityId] });
    assert.equal((await redeem(later)).json().error, 'invalid_grant');
  });

  test('built-in things stay, used ones are kept, and the audit log has no secret', async () => {
    const refused = async (method: string, path: string, body?: unknown) => {
      const answer = await node.request(method, path, { token: root, body });
      assert.equal(answer.status, 400, answer.text);
    };
    await refused('DELETE', 'identity/oidc/provider/default');
    await refused('DELETE', 'identity/oidc/assignment/allow_all');
    await refused('POST', 'identity/oidc/assignment/allow_all', {});
    await refused('POST', 'identity/oidc/scope/openid', {});
    await refused('DELETE', 'identity/oidc/assignment/only-ann');
    await refused('POST', 'identity/oidc/client/shop', { key: 'signer' });
    await refused('POST', 'identity/oidc/client/shop', { client_type: 'public' });
    await refused('POST', 'identity/oidc/client/bad', { redirect_uris: ['javascript:alert(1)'] });
    const { keys, key_info } = (await node.request('LIST', 'identity/oidc/client', { token: root })).json()
      .data;
    assert.deepEqual(keys, ['phone', 'shop']);
    assert.equal(key_info.shop.client_secret, undefined);
    const log = readFileSync(node.auditFile, 'utf8');
    assert.ok(log.includes('identity/oidc/provider/corp/token'));
    for (const secret of [clientSecret, CANARY]) assert.ok(!log.includes(secret));
    assert.doesNotMatch(log, /eyJ/);
  });
});
