/** Snapshots by themselves: into a folder, and into a bucket of moto, Python's stand-in for AWS. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readSnapshot } from '../../src/snapshot-file/read.ts';
import { type CofferNode, start, type UnsealKeys } from '../services/coffer.ts';
import { available, type Moto, start as startMoto } from '../services/moto.ts';
import { waitUntil } from '../services/process.ts';
import { ok, restore, type Target } from './node.ts';

const CONFIG = 'sys/storage/raft/snapshot-auto/config';
const STATUS = 'sys/storage/raft/snapshot-auto/status';
const SECRET = 'a canary among the keys of AWS';

let node: CofferNode;
let keys: UnsealKeys;
let target: Target;
before(async () => {
  node = await start({ audit: true });
  keys = await node.initAndUnseal();
  target = { node, token: keys.rootToken };
  await ok(target, 'POST', 'sys/mounts/secret', { type: 'kv' });
  await ok(target, 'POST', 'secret/a', { n: '1' });
});
after(() => node?.stop());

const status = async (name: string) => (await ok(target, 'GET', `${STATUS}/${name}`)).data;
const stop = (name: string) => ok(target, 'DELETE', `${CONFIG}/${name}`);
const metric = async (pattern: RegExp) =>
  assert.match((await node.request('GET', 'sys/metrics?format=prometheus', target)).text, pattern);

async function ran(name: string) {
  await waitUntil(async () => (await status(name)).last_snapshot_end !== '', { what: `a run of ${name}` });
  return status(name);
}

describe('scheduled snapshots in a folder', () => {
  it('are taken, kept as many as told, and can be restored', async () => {
    const folder = join(node.folder, 'made/kept');
    const config = {
      interval: '1s',
      retain: 2,
      path_prefix: folder,
      storage_type: 'local',
      local_max_space: 10_000_000,
    };
    await ok(target, 'POST', `${CONFIG}/kept`, config);
    assert.deepEqual((await ok(target, 'GET', `${CONFIG}/kept`)).data, {
      ...config,
      interval: 1,
      file_prefix: 'vault-snapshot',
    });
    assert.deepEqual((await ok(target, 'LIST', CONFIG)).data.keys, ['kept']);
    await ran('kept');
    writeFileSync(join(folder, 'vault-snapshot-other.snap'), 'of somebody else');
    writeFileSync(join(folder, 'vault-snapshot-1.snap.partial'), 'cut short');
    const first = (await status('kept')).last_snapshot_url;
    await waitUntil(async () => !own(folder).includes(first.split('/').at(-1)), { what: 'the first to go' });
    await stop('kept');
    await waitUntil(() => own(folder).every((name) => !name.endsWith('.partial')), { what: 'the last run' });
    assert.equal(own(folder).filter((name) => /-\d+\.snap$/.test(name)).length, 2);
    assert.ok(readdirSync(folder).includes('vault-snapshot-other.snap'));
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const path = join(folder, own(folder).find((name) => /-\d+\.snap$/.test(name))!);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await ok(target, 'POST', 'secret/a', { n: '2' });
    assert.equal((await restore(target, readFileSync(path))).status, 204);
    assert.equal((await ok(target, 'GET', 'secret/a')).data.n, '1');
    // What it was restored from had the schedule: it waits, as everything does.
    const before = own(folder).length;
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(own(folder).length, before);
    await stop('kept');
    await ok(target, 'POST', 'sys/storage/snapshot/confirm');
  });

  it('that fail are shown, logged, counted and tried again', async () => {
    const folder = join(node.folder, 'blocked');
    writeFileSync(folder, 'a file where the folder should be');
    const config = { interval: '1s', path_prefix: folder, storage_type: 'local', local_max_space: 1_000_000 };
    await ok(target, 'POST', `${CONFIG}/blocked`, config);
    const failed = await ran('blocked');
    assert.match(failed.last_snapshot_error, /EEXIST|ENOTDIR/);
    assert.ok(failed.consecutive_errors >= 1);
    assert.equal(failed.last_snapshot_url, '');
    assert.match(node.logs(), /a scheduled snapshot failed; it will be tried again.*blocked/);
    await metric(/vault_snapshot_auto_failing\{name="blocked"\} [1-9]/);
    await ok(target, 'POST', `${CONFIG}/blocked`, { path_prefix: join(node.folder, 'free') });
    await waitUntil(async () => (await status('blocked')).consecutive_errors === 0, {
      what: 'it to go well',
    });
    assert.equal((await status('blocked')).last_snapshot_error, '');
    await metric(/vault_snapshot_auto_success\{name="blocked"\} \d/);
    await stop('blocked');
  });

  it('do not go over their space, and leave nothing of one that would', async () => {
    const folder = join(node.folder, 'small');
    const config = { interval: '1h', path_prefix: folder, storage_type: 'local', local_max_space: 2000 };
    await ok(target, 'POST', `${CONFIG}/small`, config);
    assert.match((await ran('small')).last_snapshot_error, /local_max_space/);
    assert.deepEqual(readdirSync(folder), []);
    await stop('small');
  });

  it('follow no link that somebody laid', async () => {
    const folder = join(node.folder, 'links');
    mkdirSync(folder);
    const victim = join(node.folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, join(folder, 'vault-snapshot-1.snap'));
    symlinkSync(victim, join(folder, 'vault-snapshot-2.snap.partial'));
    await ok(target, 'POST', `${CONFIG}/links`, {
      interval: '1h',
      path_prefix: folder,
      storage_type: 'local',
    });
    await ran('links');
    await stop('links');
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
    assert.equal(readdirSync(folder).length, 1);
  });

  it('are refused where they could never work', async () => {
    const good = { interval: '1h', path_prefix: node.folder, storage_type: 'local' };
    const s3 = { interval: '1h', storage_type: 'aws-s3', aws_s3_bucket: 'b', aws_s3_region: 'r' };
    for (const bad of [
      { ...good, interval: 0 },
      { ...good, interval: undefined },
      { ...good, retain: 0 },
      { ...good, path_prefix: 'relative' },
      { ...good, path_prefix: '/tmp/../etc' },
      { ...good, file_prefix: 'a/b' },
      { ...good, file_prefix: '..' },
      { ...good, file_prefix: '' },
      { ...good, local_max_space: -1 },
      { ...good, storage_type: 'google-gcs' },
      { ...s3, aws_s3_bucket: '' },
      { ...s3, aws_access_key_id: 'only this' },
      { ...s3, aws_s3_kms_key: 'without kms' },
      { ...s3, aws_s3_enable_kms: true, aws_s3_server_side_encryption: true },
    ]) {
      const { status: code, text } = await node.request('POST', `${CONFIG}/bad`, {
        token: target.token,
        body: bad,
      });
      assert.equal(code, 400, `${JSON.stringify(bad)}: ${text}`);
    }
    assert.equal((await node.request('GET', `${CONFIG}/bad`, { token: target.token })).status, 404);
    assert.equal((await node.request('GET', `${STATUS}/bad`, { token: target.token })).status, 404);
  });
});

describe('scheduled snapshots in a bucket', { skip: available() ?? false }, () => {
  let moto: Moto;
  before(async () => {
    moto = await startMoto();
    assert.equal((await moto.request('s3', 'PUT', '/backups')).status, 200);
  });
  after(() => moto?.stop());

  const objects = async () => {
    const { text } = await moto.request('s3', 'GET', '/backups?list-type=2');
    return [...text.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key]) => key!);
  };
  const config = () => ({
    storage_type: 'aws-s3',
    interval: '1s',
    retain: 2,
    path_prefix: '/of/this/server/',
    aws_s3_bucket: 'backups',
    aws_s3_region: moto.region,
    aws_s3_endpoint: moto.address.replace('http://', ''),
    aws_s3_disable_tls: true,
    aws_s3_force_path_style: true,
    aws_s3_server_side_encryption: true,
    aws_access_key_id: moto.accessKey,
    aws_secret_access_key: SECRET,
  });

  it('are taken, kept as many as told, and are whole', async () => {
    await moto.request('s3', 'PUT', '/backups/of/this/server/vault-snapshot-mine.snap', 'of somebody else');
    // More than one part.
    const value = 'x'.repeat(900 * 1024);
    for (let n = 0; n < 12; n++) await ok(target, 'POST', `secret/large-${n}`, { value });
    await ok(target, 'POST', `${CONFIG}/bucket`, config());
    const first = await ran('bucket');
    assert.equal(first.last_snapshot_error, '');
    assert.match(first.last_snapshot_url, /^s3:\/\/backups\/of\/this\/server\/vault-snapshot-\d{19}\.snap$/);
    const firstKey = first.last_snapshot_url.replace('s3://backups/', '');
    await waitUntil(async () => !(await objects()).includes(firstKey), { what: 'the first to go' });
    await stop('bucket');
    const taken = (await objects()).filter((key) => /-\d+\.snap$/.test(key));
    assert.ok(taken.length === 2 || taken.length === 3, `${taken}`);
    assert.ok((await objects()).includes('of/this/server/vault-snapshot-mine.snap'));
    const reply = await fetch(`${moto.address}/backups/${taken[0]}`);
    const { manifest } = await readSnapshot([Buffer.from(await reply.arrayBuffer())], {});
    assert.ok(manifest.record_bytes > 12 * 900 * 1024);
    for (let n = 0; n < 12; n++) await ok(target, 'DELETE', `secret/large-${n}`);
  });

  it('clear away what was left of uploads that were cut short', async () => {
    const key = '/backups/of/this/server/vault-snapshot-1.snap';
    assert.equal((await moto.request('s3', 'POST', `${key}?uploads`)).status, 200);
    const uploads = async () =>
      (await moto.request('s3', 'GET', '/backups?uploads')).text.match(/<UploadId>/g);
    assert.ok(await uploads());
    await ok(target, 'POST', `${CONFIG}/tidying`, { ...config(), interval: '1h' });
    assert.equal((await ran('tidying')).last_snapshot_error, '');
    assert.equal(await uploads(), null);
    await stop('tidying');
  });

  it('say what the service says when they fail', async () => {
    await ok(target, 'POST', `${CONFIG}/nowhere`, {
      ...config(),
      interval: '1h',
      aws_s3_bucket: 'not-there',
    });
    assert.match((await ran('nowhere')).last_snapshot_error, /NoSuchBucket/);
    await ok(target, 'POST', `${CONFIG}/down`, {
      ...config(),
      interval: '1h',
      aws_s3_endpoint: '127.0.0.1:1',
    });
    assert.match((await ran('down')).last_snapshot_error, /ECONNREFUSED/);
    await stop('nowhere');
    await stop('down');
  });

  it('never show their credentials again', async () => {
    await ok(target, 'POST', `${CONFIG}/secret`, { ...config(), interval: '1h' });
    await ran('secret');
    const shown = await ok(target, 'GET', `${CONFIG}/secret`);
    assert.equal(shown.data.aws_s3_bucket, 'backups');
    assert.ok(!JSON.stringify(shown).includes(SECRET) && !JSON.stringify(shown).includes(moto.accessKey));
    await ok(target, 'POST', `${CONFIG}/secret`, { retain: 3 });
    await waitUntil(async () => (await ok(target, 'GET', `${CONFIG}/secret`)).data.retain === 3, {
      what: 'it',
    });
    await stop('secret');
    for (const text of [node.logs(), readFileSync(node.auditFile, 'utf8')]) assert.ok(!text.includes(SECRET));
  });
});

function own(folder: string): string[] {
  return readdirSync(folder).filter((name) => name !== 'vault-snapshot-other.snap');
}
