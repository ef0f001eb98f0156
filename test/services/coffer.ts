/** A real Coffer node: its own process, configuration file, storage folder and port, as an operator would run it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryFolder, temporaryFolder } from './folder.ts';
import { type Answer, call, type JsonReply } from './http.ts';
import { freePort } from './ports.ts';
import {
  type Exit,
  type RunningProcess,
  runProcess,
  startProcess,
  waitForPort,
  waitUntil,
} from './process.ts';

export interface CofferOptions {
  /** Speak TLS with a certificate of its own; needs openssl. */
  readonly tls?: boolean;
  readonly storage?: 'file' | 'inmem';
  /** Whether `initAndUnseal` enables an audit device at `auditFile`. */
  readonly audit?: boolean;
  /** HCL that is added to the configuration file. */
  readonly configuration?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How to run `coffer`, instead of this checkout under this Node. */
  readonly program?: readonly [command: string, ...args: string[]];
}

export interface UnsealKeys {
  readonly rootToken: string;
  readonly keys: readonly string[];
  readonly threshold: number;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly token?: string;
  readonly namespace?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface CofferNode {
  /** What VAULT_ADDR takes. */
  readonly address: string;
  readonly port: number;
  readonly folder: string;
  readonly configFile: string;
  readonly auditFile: string;
  /** The certificate to trust, when it speaks TLS. */
  readonly caFile: string | undefined;
  readonly pid: number;
  /** Sends a request; `path` is what follows `/v1/`, with or without a query. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Initialises and unseals the node; enables the audit device if the options ask for one. */
  initAndUnseal(options?: { shares?: number; threshold?: number }): Promise<UnsealKeys>;
  unseal(keys: UnsealKeys): Promise<void>;
  /** What the node has printed since it was first started. */
  logs(): string;
  signal(signal: NodeJS.Signals): void;
  /** Cuts the process off; its files stay for `restart`. */
  kill9(): Promise<Exit>;
  /** Starts the node on the same files again, after ending it in good order if it still runs. */
  restart(): Promise<void>;
  /** Ends the node in good order and removes its files. */
  stop(): Promise<Exit>;
}

const PROGRAM = [process.execPath, join(import.meta.dirname, '../../bin/coffer.ts')] as const;

/** Starts a node that is up and sealed, or rejects with what it printed. */
export async function start(options: CofferOptions = {}): Promise<CofferNode> {
  const folder = await temporaryFolder('node');
  try {
    const port = await freePort();
    const caFile = options.tls ? await makeCertificate(folder.path) : undefined;
    const configFile = join(folder.path, 'config.hcl');
    await writeFile(configFile, configuration(options, folder.path, port));
    const ca = caFile ? await readFile(caFile, 'utf8') : undefined;
    const node = describe(options, folder, { port, caFile, ca, configFile });
    await node.restart();
    return node;
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

interface Place {
  readonly port: number;
  readonly configFile: string;
  readonly caFile: string | undefined;
  readonly ca: string | undefined;
}

function describe(options: CofferOptions, folder: TemporaryFolder, place: Place): CofferNode {
  const { port, ca, caFile, configFile } = place;
  const address = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  let running: RunningProcess | undefined;
  let earlierLogs = '';
  const send = (method: string, path: string, request: RequestOptions = {}) =>
    call(address, { method, path: `/v1/${path}`, body: request.body, headers: headersOf(request) }, ca);
  const end = (signal: NodeJS.Signals) =>
    running?.stop(signal) ?? Promise.resolve({ code: null, signal: null });
  return {
    address,
    port,
    folder: folder.path,
    configFile,
    caFile,
    auditFile: join(folder.path, 'audit.log'),
    get pid() {
      return running?.pid ?? 0;
    },
    request: send,
    unseal: (keys) => unseal(send, keys),
    async initAndUnseal({ shares = 1, threshold = 1 } = {}) {
      const keys = await initialise(send, shares, threshold);
      await unseal(send, keys);
      if (options.audit) await enableAudit(send, keys.rootToken, this.auditFile);
      return keys;
    },
    logs: () => earlierLogs + (running?.output() ?? ''),
    signal: (signal) => running?.signal(signal),
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      earlierLogs += running?.output() ?? '';
      running = startNode(options, configFile, folder.path);
      await waitUntilAnswering(running, port, send);
    },
    async stop() {
      const exit = await end('SIGTERM');
      await folder.remove();
      return exit;
    },
  };
}

type Send = CofferNode['request'];

function startNode(
  { program = PROGRAM, env }: CofferOptions,
  configFile: string,
  cwd: string,
): RunningProcess {
  const [command, ...args] = program;
  return startProcess({
    command,
    args: [...args, 'server', `-config=${configFile}`],
    cwd,
    ...(env && { env }),
  });
}

async function waitUntilAnswering(running: RunningProcess, port: number, send: Send): Promise<void> {
  try {
    await waitForPort(port, running);
    const answers = async () => (await send('GET', 'sys/health')).status > 0;
    await waitUntil(answers, { what: 'an answer of sys/health' });
  } catch (error) {
    await running.stop('SIGKILL');
    throw new Error(`coffer did not start:\n${running.output()}`, { cause: error });
  }
}

function configuration(
  { tls, storage = 'file', configuration = '' }: CofferOptions,
  folder: string,
  port: number,
): string {
  const path = (name: string) => JSON.stringify(join(folder, name));
  const encryption = tls
    ? `tls_cert_file = ${path('tls.crt')}\n  tls_key_file = ${path('tls.key')}`
    : 'tls_disable = true';
  return `storage "${storage}" {
  ${storage === 'file' ? `path = ${path('data')}` : ''}
}
listener "tcp" {
  address = "127.0.0.1:${port}"
  ${encryption}
}
api_addr = "${tls ? 'https' : 'http'}://127.0.0.1:${port}"
disable_mlock = true
${configuration}
`;
}

/** A certificate for the loopback names that is its own authority. */
async function makeCertificate(folder: string): Promise<string> {
  const caFile = join(folder, 'tls.crt');
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    join(folder, 'tls.key'),
  ];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'];
  const args = ['req', '-x509', '-days', '2', ...key, '-out', caFile, ...names];
  const { code, stderr } = await runProcess({ command: 'openssl', args });
  if (code !== 0) throw new Error(`openssl: ${stderr}`);
  return caFile;
}

async function initialise(send: Send, shares: number, threshold: number): Promise<UnsealKeys> {
  const reply = await expectOk(
    send('PUT', 'sys/init', { body: { secret_shares: shares, secret_threshold: threshold } }),
    'sys/init',
  );
  return { rootToken: reply.root_token, keys: reply.keys_base64, threshold };
}

async function unseal(send: Send, { keys, threshold }: UnsealKeys): Promise<void> {
  for (const key of keys.slice(0, threshold)) {
    await expectOk(send('PUT', 'sys/unseal', { body: { key } }), 'sys/unseal');
  }
  const serving = async () => (await send('GET', 'sys/health')).status === 200;
  await waitUntil(serving, { what: 'the unsealed node to serve' });
}

async function enableAudit(send: Send, token: string, path: string): Promise<void> {
  const body = { type: 'file', options: { file_path: path } };
  await expectOk(send('PUT', 'sys/audit/file', { token, body }), 'sys/audit/file');
}

async function expectOk(answer: Promise<Answer>, what: string): Promise<JsonReply> {
  const { status, text, json } = await answer;
  if (status >= 300) throw new Error(`${what} answered ${status}: ${text}`);
  return text === '' ? {} : json();
}

function headersOf({ token, namespace, headers }: RequestOptions): Record<string, string> {
  return {
    ...(token !== undefined && { 'X-Vault-Token': token }),
    ...(namespace !== undefined && { 'X-Vault-Namespace': namespace }),
    ...headers,
  };
}
