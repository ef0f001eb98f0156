import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Transcripts are command lines with what they print, as text:
 *
 *     # a remark                   env NAME=VALUE (for the rest of the file)
 *     $ coffer read secret/foo     the command; words may stand in quotes
 *     input text                   a line of standard input; answer TEXT is typed at a prompt
 *     < GET /v1/secret/foo {...}   a request that it must send, with its body; "< * ..." matches any body
 *     <: X-Vault-Token: abc        a header that this request must have
 *     > 200 {...}                  what the server answers
 *     | text                       a line of standard output; ! a line of standard error; ? the exit code, if not 0
 *
 * `$ADDR` in any line is the server's address and `$TMP` a folder of the transcript's own.
 */
export interface Step {
  readonly line: number;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string | undefined;
  readonly answers: readonly string[] | undefined;
  readonly exchanges: readonly Exchange[];
  readonly output: string;
  readonly error: string;
  readonly code: number;
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly status: number;
  readonly reply: string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Draft = Writable<Omit<Step, 'exchanges'>> & { exchanges: Writable<Exchange>[] };

export function parseTranscript(text: string): Step[] {
  const steps: Draft[] = [];
  const environment: Record<string, string> = {};
  for (const [at, line] of text.split('\n').entries()) {
    const [, mark = '', rest = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    if (mark === '' || mark.startsWith('#')) continue;
    if (mark === 'env') {
      const [name = '', ...value] = rest.split('=');
      environment[name] = value.join('=');
    } else if (mark === '$') {
      const none = { input: undefined, answers: undefined, exchanges: [], output: '', error: '', code: 0 };
      steps.push({ line: at + 1, argv: words(rest).slice(1), environment: { ...environment }, ...none });
    } else addLine(steps.at(-1), mark, rest, at + 1);
  }
  return steps;
}

function addLine(step: Draft | undefined, mark: string, rest: string, line: number): void {
  if (!step) throw new Error(`line ${line}: before the first command`);
  const exchange = step.exchanges.at(-1);
  if (mark === '|') step.output += `${rest}\n`;
  else if (mark === '!') step.error += `${rest}\n`;
  else if (mark === '?') step.code = Number(rest);
  else if (mark === 'input') step.input = `${step.input ?? ''}${rest}\n`;
  else if (mark === 'answer') step.answers = [...(step.answers ?? []), rest];
  else if (mark === '<') {
    const [method = '', path = '', ...body] = rest.split(' ');
    step.exchanges.push({ method, path, body: body.join(' '), headers: [], status: 204, reply: '' });
  } else if (mark === '<:' && exchange) {
    const [name = '', ...value] = rest.split(': ');
    exchange.headers = [...exchange.headers, [name.toLowerCase(), value.join(': ')]];
  } else if (mark === '>' && exchange) {
    const [status, ...reply] = rest.split(' ');
    exchange.status = Number(status);
    exchange.reply = reply.join(' ');
  } else throw new Error(`line ${line}: "${mark}" is not known`);
}

/** Words as a shell separates them, with single and double quotes. */
function words(text: string): string[] {
  const found = text.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? [];
  return found.map((word) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_all, single, double) => single ?? double),
  );
}

/** A server that answers a script and nothing else; what went otherwise is in `complaints`. */
export interface ScriptedServer {
  readonly address: string;
  readonly complaints: string[];
  play(exchanges: readonly Exchange[]): void;
  /** Exchanges that were not asked for. */
  left(): number;
  close(): void;
}

export async function openScriptedServer(): Promise<ScriptedServer> {
  const complaints: string[] = [];
  let script: Exchange[] = [];
  const server: Server = createServer(async (request, response) => {
    const body = await textOf(request);
    const expected = script.shift();
    complaints.push(...difference(request, body, expected));
    response.writeHead(expected?.status ?? 500, { 'content-type': 'application/json' });
    response.end(expected?.reply ?? '{"errors":["not in the script"]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    complaints,
    play(exchanges) {
      script = [...exchanges];
    },
    left: () => script.length,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function difference(request: IncomingMessage, body: string, expected: Exchange | undefined): string[] {
  const got = `${request.method} ${request.url} ${body}`.trim();
  if (!expected) return [`unexpected request: ${got}`];
  const wanted = `${expected.method} ${expected.path} ${expected.body}`.trim();
  const sameBody = expected.body === '*' || canonical(expected.body) === canonical(body);
  const same = request.method === expected.method && request.url === expected.path && sameBody;
  const headers = expected.headers.filter(([name, value]) => String(request.headers[name] ?? '') !== value);
  return [
    ...(same ? [] : [`wanted ${wanted}\n   got ${got}`]),
    ...headers.map(([name, value]) => `wanted ${name}: ${value}, got ${request.headers[name]}`),
  ];
}

function canonical(body: string): string {
  if (body === '') return '';
  const sort = (_name: string, value: unknown) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify(JSON.parse(body), sort);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) text += part;
  return text;
}
