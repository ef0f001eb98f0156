import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { jwtVerify, SignJWT } from 'jose';
import { ManualClock } from '../../base/clock.ts';
import { InvalidRequest, OutsideFailure, PermissionDenied } from '../../base/errors.ts';
import { checkDuo } from './duo.ts';
import { checkOkta } from './okta.ts';
import { checkPingId, parseSettingsFile } from './pingid.ts';
import type { DuoMethod, OktaMethod, PingIdMethod } from './records.ts';
import type { Fetch } from './service.ts';

interface Asked {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
}

/** Answers requests one after another, and keeps them. */
function service(...answers: (string | object | number)[]): { fetch: Fetch; asked: Asked[] } {
  const asked: Asked[] = [];
  return {
    asked,
    async fetch(url, init) {
      assert.equal(init.redirect, 'error');
      asked.push({
        url,
        method: init.method ?? 'GET',
        headers: new Headers(init.headers),
        body: String(init.body ?? ''),
      });
      const answer = answers.shift();
      if (typeof answer === 'number') return new Response('no', { status: answer });
      return new Response(typeof answer === 'string' ? answer : JSON.stringify(answer));
    },
  };
}

const clock = new ManualClock(Date.UTC(2012, 7, 21, 17, 29, 18));

const DUO: DuoMethod = {
  id: 'm',
  name: '',
  type: 'duo',
  usernameFormat: '',
  secretKey: 'gtdfxv9YgVBYcF6dl2Eq17KUQJN2PLM2ODVTkvoT',
  integrationKey: 'test_ikey',
  apiHostname: 'API-1.duosecurity.com',
  pushInfo: 'from=Coffer',
  usePasscode: false,
};
const ok = (response: object) => ({ stat: 'OK', response });
const user = { username: 'ann b', passcode: '', address: '192.0.2.1' };

test('Duo (a mock of its Auth API): signed requests, a push, and what is made of the answers', async () => {
  const { fetch, asked } = service(ok({ result: 'auth' }), ok({ result: 'allow' }));
  await checkDuo(DUO, user, { fetch, clock });
  assert.deepEqual(
    asked.map(({ url }) => url),
    ['https://API-1.duosecurity.com/auth/v2/preauth', 'https://API-1.duosecurity.com/auth/v2/auth'],
  );
  const { headers, body } = asked[1]!;
  assert.equal(body, 'device=auto&factor=push&ipaddr=192.0.2.1&pushinfo=from%3DCoffer&username=ann%20b');
  assert.equal(headers.get('date'), 'Tue, 21 Aug 2012 17:29:18 -0000');
  const signed = ['Tue, 21 Aug 2012 17:29:18 -0000', 'POST', 'api-1.duosecurity.com', '/auth/v2/auth', body];
  const signature = createHmac('sha1', DUO.secretKey).update(signed.join('\n')).digest('hex');
  assert.equal(headers.get('authorization'), `Basic ${btoa(`test_ikey:${signature}`)}`);
  const outcome = (...answers: (object | number | string)[]) =>
    checkDuo(DUO, user, { ...service(...answers), clock });
  await outcome(ok({ result: 'allow' }));
  await assert.rejects(outcome(ok({ result: 'deny', status_msg: 'no' })), PermissionDenied);
  await assert.rejects(outcome(ok({ result: 'auth' }), ok({ result: 'deny' })), PermissionDenied);
  await assert.rejects(outcome({ stat: 'FAIL' }), PermissionDenied);
  await assert.rejects(outcome(401), OutsideFailure);
  await assert.rejects(outcome('<html>'), OutsideFailure);
  await assert.rejects(
    checkDuo({ ...DUO, usePasscode: true }, user, { ...service(ok({ result: 'auth' })), clock }),
    /passcode is required/,
  );
  const passcode = service(ok({ result: 'auth' }), ok({ result: 'allow' }));
  await checkDuo({ ...DUO, usePasscode: true }, { ...user, passcode: '123456' }, { ...passcode, clock });
  assert.match(passcode.asked[1]!.body, /factor=passcode&ipaddr=192.0.2.1&passcode=123456/);
});

const OKTA: OktaMethod = {
  id: 'm',
  name: '',
  type: 'okta',
  usernameFormat: '',
  orgName: 'dev-1',
  apiToken: 'token',
  baseUrl: 'okta.com',
  primaryEmail: false,
};

test('Okta (a mock of its Factors API): a push that is asked after until it is decided', async () => {
  const factors = [
    { id: 'sms', factorType: 'sms', status: 'ACTIVE' },
    { id: 'opf1', factorType: 'push', status: 'ACTIVE' },
  ];
  const waiting = {
    factorResult: 'WAITING',
    _links: { poll: { href: 'https://elsewhere.example/api/v1/users/u/factors/f/transactions/v2mst.1' } },
  };
  const running = async (...last: object[]) => {
    const { fetch, asked } = service({ id: '00u1' }, factors, waiting, ...last);
    const manual = new ManualClock(0);
    const checked = checkOkta(OKTA, 'ann@x', { fetch, clock: manual });
    checked.catch(() => {});
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      manual.advance(1000);
    }
    await checked;
    return asked;
  };
  const asked = await running(waiting, { factorResult: 'SUCCESS' });
  assert.deepEqual(
    asked.map(({ method, url }) => `${method} ${url.replace('https://dev-1.okta.com/api/v1/', '')}`),
    [
      'GET users/ann%40x',
      'GET users/00u1/factors',
      'POST users/00u1/factors/opf1/verify',
      'GET users/00u1/factors/opf1/transactions/v2mst.1',
      'GET users/00u1/factors/opf1/transactions/v2mst.1',
    ],
  );
  assert.equal(asked[0]!.headers.get('authorization'), 'SSWS token');
  await assert.rejects(running({ factorResult: 'REJECTED' }), PermissionDenied);
  await assert.rejects(running({ factorResult: 'TIMEOUT' }), PermissionDenied);
  await assert.rejects(checkOkta(OKTA, 'ann', { ...service({ id: 'u' }, []), clock }), /no push-type/);
  await assert.rejects(checkOkta(OKTA, 'ann', { ...service(404), clock }), OutsideFailure);
});

const KEY = Buffer.from('a key of the organisation, 32 by');
const SETTINGS = [
  '#Auto-Generated',
  `use_base64_key=${KEY.toString('base64')}`,
  'use_signature=true',
  'token=0d9f',
  'idp_url=https\\://idp.example.com/pingid',
  'org_alias=181459b0',
  'admin_url=https\\://idp.example.com/pingid',
  'authenticator_url=https\\://authenticator.example.com/pingid/ppm',
].join('\r\n');

test('PingID (a mock of its API): tokens signed with the organisation’s key, both ways', async () => {
  const settings = parseSettingsFile(Buffer.from(SETTINGS).toString('base64'));
  const method: PingIdMethod = { id: 'm', name: '', type: 'pingid', usernameFormat: '', ...settings };
  assert.equal(method.idpUrl, 'https://idp.example.com/pingid');
  const answer = (errorId: number, key: Buffer = KEY) =>
    new SignJWT({ responseBody: { errorId, errorMsg: 'x' } }).setProtectedHeader({ alg: 'HS256' }).sign(key);
  const { fetch, asked } = service(await answer(200));
  await checkPingId(method, 'ann', { fetch, clock });
  assert.equal(asked[0]!.url, 'https://idp.example.com/pingid/rest/4/authonline/do');
  const { payload, protectedHeader } = await jwtVerify(asked[0]!.body, KEY);
  assert.deepEqual(protectedHeader, { alg: 'HS256', org_alias: '181459b0', token: '0d9f' });
  assert.deepEqual(payload, {
    reqHeader: {
      locale: 'en',
      orgAlias: '181459b0',
      secretKey: '0d9f',
      timestamp: '2012-08-21 17:29:18.000',
      version: '4.9',
    },
    reqBody: { spAlias: 'web', userName: 'ann', authType: 'CONFIRM' },
  });
  await assert.rejects(
    checkPingId(method, 'ann', { ...service(await answer(10564)), clock }),
    PermissionDenied,
  );
  const forged = await answer(200, Buffer.from('another key of thirty-two bytes!'));
  await assert.rejects(checkPingId(method, 'ann', { ...service(forged), clock }), OutsideFailure);
  for (const wrong of ['', 'token=1', SETTINGS.replace('https', 'http')])
    assert.throws(() => parseSettingsFile(Buffer.from(wrong).toString('base64')), InvalidRequest);
});
