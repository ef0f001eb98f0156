/** Where the server writes to, callers do not choose: audit files are confined, followed through no link, and never scripts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FailureNode } from './node.ts';

describe('an audit file', () => {
  let node: FailureNode;
  let devices = 0;
  before(async () => {
    node = await FailureNode.start();
  });
  after(() => node.stop());

  const enable = (options: Record<string, unknown>) =>
    node.request('POST', `sys/audit/device-${devices++}`, { body: { type: 'file', options } });
  const refused = async (options: Record<string, unknown>) => {
    const { status, text } = await enable(options);
    assert.equal(status, 400, `${JSON.stringify(options)}: ${text}`);
  };
  const at = (name: string) => join(node.folder, name);

  it('is no script, whatever is asked for', async () => {
    await refused({ file_path: at('a'), mode: '0755' });
    await refused({ file_path: at('a'), mode: '4600' });
    await refused({ file_path: at('a'), mode: 'rwx' });
    await refused({ file_path: at('a'), prefix: '#!/bin/sh\nid\n' });
    await refused({ file_path: at('a'), prefix: 'text' });
    writeFileSync(at('program'), '#!/bin/sh\n', { mode: 0o755 });
    await refused({ file_path: at('program') });
    assert.equal(readFileSync(at('program'), 'utf8'), '#!/bin/sh\n');
    assert.equal(existsSync(at('a')), false, 'a refused device leaves no file');
  });

  it('is not reached through links, devices, pipes or folders', async () => {
    writeFileSync(at('target'), 'precious');
    symlinkSync(at('target'), at('link'));
    symlinkSync(at('missing'), at('dangling'));
    execFileSync('mkfifo', [at('pipe')]);
    mkdirSync(at('folder'));
    for (const name of ['link', 'dangling', 'pipe', 'folder', 'target/x'])
      await refused({ file_path: at(name) });
    for (const path of [
      '/proc/self/mem',
      '/dev/kmsg',
      '/sys/kernel/x',
      '/proc/sys/kernel/core_pattern',
      '/dev/../proc/self/environ',
      `${node.folder}/../../proc/self/mem`,
    ])
      await refused({ file_path: path });
    assert.equal(readFileSync(at('target'), 'utf8'), 'precious');
    assert.equal(existsSync(at('missing')), false);
  });

  it('that becomes a link is not followed', async () => {
    await node.ok('POST', 'sys/audit/swapped', {
      body: { type: 'file', options: { file_path: at('swapped.log') } },
    });
    execFileSync('mv', [at('swapped.log'), at('moved.log')]);
    writeFileSync(at('victim'), 'precious');
    symlinkSync(at('victim'), at('swapped.log'));
    await node.ok('POST', 'sys/config/reload/audit');
    for (let requests = 0; requests < 5; requests++) await node.ok('GET', 'auth/token/lookup-self');
    assert.equal(readFileSync(at('victim'), 'utf8'), 'precious');
    await node.ok('DELETE', 'sys/audit/swapped');
  });

  it('is readable by nobody else', async () => {
    await node.ok('POST', 'sys/audit/private', {
      body: { type: 'file', options: { file_path: at('private.log') } },
    });
    assert.equal(lstatSync(at('private.log')).mode & 0o777, 0o600);
    await node.ok('DELETE', 'sys/audit/private');
  });

  it('has entries of one line each, whatever is in them', async () => {
    const odd = 'a\nb\r\n{"type":"request"}\u2028\u0000';
    await node.request('POST', 'sys/policies/acl/odd', { body: { policy: odd, [odd]: odd } });
    await node.request('GET', `sys/policies/acl/${encodeURIComponent(odd)}`, {
      headers: { 'User-Agent': 'x' },
    });
    await node.request('GET', `no/such/${encodeURIComponent('a"b\\c')}`);
    for (const line of node.auditLog().trimEnd().split('\n'))
      assert.equal(typeof JSON.parse(line).request.id, 'string');
  });
});
