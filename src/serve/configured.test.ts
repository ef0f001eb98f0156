import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkConfig } from './configured.ts';

const folder = mkdtempSync(join(tmpdir(), 'coffer-configured-'));
after(() => rmSync(folder, { recursive: true }));

async function check(text: string): Promise<{ code: number; output: string }> {
  const path = join(folder, 'coffer.hcl');
  writeFileSync(path, text);
  let output = '';
  const write = (more: string) => {
    output += more;
  };
  const terminal = { environment: {}, homeDirectory: folder, output: { write }, error: { write } };
  return { code: await checkConfig([path], terminal), output: output.replaceAll(`${folder}/`, '') };
}

const GOOD = `storage "file" {
  path = "kept"
}
listener "tcp" {
  tls_disable = true
}
`;

test('a configuration that would start is valid, with its warnings', async () => {
  assert.deepEqual(await check(GOOD), { code: 0, output: 'The configuration is valid.\n' });
  assert.deepEqual(await check(`${GOOD}colour = "red"\n`), {
    code: 0,
    output: 'warning: coffer.hcl:7:1: colour: unknown or unsupported field\nThe configuration is valid.\n',
  });
});

const STATIC_SEAL = 'seal "static" {\n  current_key_id = "a"\n  current_key = "env://NOWHERE"\n}\n';
const WOULD_NOT_START: [text: string, output: string][] = [
  [
    GOOD.replace('"file"', '"etcd"').replace('path = "kept"', ''),
    'error: storage "etcd" is not supported; there are file, raft, inmem, inmem_ha\n',
  ],
  [`${GOOD}ha_storage "consul" {}\n`, 'error: ha_storage is not supported: there is one node\n'],
  [`${GOOD}seal "awskms" {}\n`, 'error: coffer.hcl:7:6: seal.awskms.kms_key_id: must be set\n'],
  [
    `${GOOD}seal "awskms" {\n  kms_key_id = "k"\n  access_key = "a"\n}\n`,
    'error: seal "awskms": access_key and secret_key go together\n',
  ],
  [`${GOOD}${STATIC_SEAL}`, 'error: current_key: the environment variable NOWHERE is not set\n'],
  [
    GOOD.replace('tls_disable = true', 'tls_cert_file = "none.pem"\n  tls_key_file = "none.key"'),
    'error: tls_cert_file: cannot read none.pem: ENOENT\n',
  ],
];
for (const [text, output] of WOULD_NOT_START) {
  test(`what can be read but would not start is told: ${output.trimEnd()}`, async () => {
    assert.deepEqual(await check(text), { code: 1, output });
  });
}
