/** A real node whose `seal` stanzas a test writes, and writes anew. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CofferNode, start } from '../services/coffer.ts';
import type { JsonReply } from '../services/http.ts';
import { runProcess, waitUntil } from '../services/process.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/coffer.ts');
const MARK = '# seals of this test\n';

export interface Stanza {
  readonly type: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

export interface Made {
  readonly rootToken: string;
  /** Key shares or recovery shares. */
  readonly shares: readonly string[];
}

export class SealNode {
  readonly node: CofferNode;

  private constructor(node: CofferNode) {
    this.node = node;
  }

  /** Up, and not initialised. */
  static async start(
    stanzas: readonly Stanza[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<SealNode> {
    const configuration = `${MARK}${written(stanzas)}`;
    return new SealNode(await start({ configuration, env }));
  }

  configure(stanzas: readonly Stanza[]): void {
    const [before] = readFileSync(this.node.configFile, 'utf8').split(MARK);
    writeFileSync(this.node.configFile, `${before}${MARK}${written(stanzas)}`);
  }

  async restart(stanzas?: readonly Stanza[]): Promise<void> {
    if (stanzas) this.configure(stanzas);
    await this.node.restart();
  }

  /** As SIGHUP has it; resolves when the log says that the stanzas were read. */
  async reload(stanzas: readonly Stanza[]): Promise<void> {
    this.configure(stanzas);
    const reads = () => this.node.logs().split('other seals count from now on').length;
    const before = reads();
    this.node.signal('SIGHUP');
    await waitUntil(() => reads() > before, { what: 'the seals to be read again' });
  }

  /** With two of three shares. */
  async initialize(kind: 'automatic' | 'shares'): Promise<Made> {
    const body =
      kind === 'automatic'
        ? { recovery_shares: 3, recovery_threshold: 2 }
        : { secret_shares: 3, secret_threshold: 2 };
    const made = await this.ok('PUT', 'sys/init', { body });
    const shares: string[] = kind === 'automatic' ? made.recovery_keys_base64 : made.keys_base64;
    return { rootToken: made.root_token, shares };
  }

  async unseal({ shares }: Made, { migrate = false } = {}): Promise<JsonReply> {
    let status: JsonReply = {};
    for (const key of shares.slice(0, 2))
      status = await this.ok('PUT', 'sys/unseal', { body: { key, ...(migrate && { migrate }) } });
    return status;
  }

  async health(): Promise<number> {
    return (await this.node.request('GET', 'sys/health')).status;
  }

  async unsealed(): Promise<void> {
    await waitUntil(async () => (await this.health()) === 200, { what: 'the server to unseal itself' });
  }

  status(): Promise<JsonReply> {
    return this.ok('GET', 'sys/seal-status');
  }

  backends(): Promise<JsonReply> {
    return this.ok('GET', 'sys/seal-backend-status');
  }

  /** Waits for `sys/seal-backend-status` to say so. */
  async backendsAre(right: (status: JsonReply) => boolean, what: string): Promise<void> {
    let last: JsonReply = {};
    await waitUntil(
      async () => {
        last = await this.backends();
        return right(last);
      },
      { what, everyMs: 100 },
    ).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}\n${this.node.logs()}`);
    });
  }

  async fullyWrapped(): Promise<void> {
    await this.backendsAre(({ fully_wrapped }) => fully_wrapped === true, 'every seal to hold the root key');
  }

  async ok(
    method: string,
    path: string,
    options: { body?: unknown; token?: string } = {},
  ): Promise<JsonReply> {
    const { status, text, json } = await this.node.request(method, path, options);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return text === '' ? {} : json();
  }

  cli(...args: string[]) {
    return runProcess({
      command: process.execPath,
      args: [PROGRAM, ...args],
      env: { VAULT_ADDR: this.node.address, VAULT_TOKEN: '', HOME: this.node.folder },
    });
  }

  stop() {
    return this.node.stop();
  }
}

function written(stanzas: readonly Stanza[]): string {
  return stanzas
    .map(({ type, options }) => {
      const lines = Object.entries(options).map(([key, value]) => `  ${key} = ${JSON.stringify(value)}\n`);
      return `seal "${type}" {\n${lines.join('')}}\n`;
    })
    .join('');
}

/** A static seal whose key is this byte, 32 times. */
export function staticSeal(fill: number, more: Stanza['options'] = {}): Stanza {
  const key = Buffer.alloc(32, fill).toString('base64');
  return { type: 'static', options: { current_key_id: `key-${fill}`, current_key: key, ...more } };
}
