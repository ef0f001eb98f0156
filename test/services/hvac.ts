/** Python's Vault client, unmodified, run against a node under test. */
import { existsSync } from 'node:fs';
import { pythonPackages } from './install.ts';
import { runProcess } from './process.ts';

export interface HvacTarget {
  readonly address: string;
  readonly token?: string | undefined;
  /** The certificate to trust, when the node speaks TLS. */
  readonly caFile?: string | undefined;
  readonly namespace?: string | undefined;
}

/** Every script finds `hvac`, a `client` for the target and its `input`, and leaves its answer in `result`. */
const PROLOGUE = `
import json, os, sys
import hvac
client = hvac.Client(
    url=os.environ['VAULT_ADDR'],
    token=os.environ.get('VAULT_TOKEN'),
    namespace=os.environ.get('VAULT_NAMESPACE'),
    verify=os.environ.get('VAULT_CACERT') or True,
)
input = json.loads(os.environ['HVAC_INPUT'])
result = None
`;
const EPILOGUE = `
if hasattr(result, 'status_code'):
    result = {'status': result.status_code, 'text': result.text}
json.dump(result, sys.stdout)
`;

/** Why hvac cannot be used, or undefined when it can. */
export function available(): string | undefined {
  return existsSync(pythonPackages)
    ? undefined
    : 'Python with hvac is not installed (npm test does, if python3 has pip)';
}

/** Runs `script` and returns what it left in `result`; rejects with Python's traceback if it raised. */
export async function runHvac(target: HvacTarget, script: string, input: unknown = null): Promise<unknown> {
  const finished = await runProcess(
    {
      command: 'python3',
      args: ['-'],
      env: {
        PYTHONPATH: pythonPackages,
        PYTHONDONTWRITEBYTECODE: '1',
        HVAC_INPUT: JSON.stringify(input),
        VAULT_ADDR: target.address,
        VAULT_TOKEN: target.token,
        VAULT_CACERT: target.caFile,
        VAULT_NAMESPACE: target.namespace,
      },
    },
    `${PROLOGUE}\n${script}\n${EPILOGUE}`,
  );
  if (finished.code !== 0) throw new Error(`hvac: ${finished.stderr}`);
  return JSON.parse(finished.stdout);
}
