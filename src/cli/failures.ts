import { CofferError } from '../base/errors.ts';
import { variable } from '../client/environment.ts';
import { ApiError, ConnectionError, SettingError } from '../client/errors.ts';
import type { Command } from './command.ts';
import { Interrupted, LocalError, PrintedInstead, RemoteError, reasonOf, UsageError } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** Prints what went wrong and, where something can be done about it, what; gives the exit code. */
export function reportFailure(error: unknown, command: Command, terminal: Terminal): number {
  if (error instanceof PrintedInstead) {
    terminal.output.write(`${error.message}\n`);
    return 0;
  }
  const { error: sink } = terminal;
  if (error instanceof UsageError) {
    sink.write(`${red(error.message, terminal)}\n\nFor its flags and arguments: coffer ${command.name} -h\n`);
    return 1;
  }
  if (error instanceof Interrupted) return 1;
  sink.write(`${red(messageOf(error), terminal)}\n`);
  const advice = adviceFor(reasonOf(error), command, terminal);
  if (advice !== undefined) sink.write(`\n${advice}\n`);
  return exitCode(reasonOf(error), command);
}

/** An unforeseen failure shows where it came from: it is a mistake in this program. */
function messageOf(error: unknown): string {
  const reason = reasonOf(error);
  if (reason instanceof CofferError || isSystemError(reason)) return (error as Error).message;
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(error);
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function exitCode(reason: unknown, command: Command): number {
  if (reason instanceof LocalError || reason instanceof SettingError || isSystemError(reason)) return 1;
  // For `status`, 2 says that the server is sealed.
  if (command.name === 'status') return 1;
  return reason instanceof ApiError || reason instanceof ConnectionError || reason instanceof RemoteError
    ? 2
    : 1;
}

function adviceFor(reason: unknown, command: Command, terminal: Terminal): string | undefined {
  if (reason instanceof ConnectionError) return connectionAdvice(reason, terminal);
  if (reason instanceof ApiError) return replyAdvice(reason, command);
  return undefined;
}

const NOTHING_THERE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'TIMEOUT',
]);
const NAME_UNKNOWN = new Set(['ENOTFOUND', 'EAI_AGAIN']);

function connectionAdvice({ reason, address }: ConnectionError, terminal: Terminal): string | undefined {
  const given = variable(terminal.environment, 'ADDR') !== undefined;
  const origin = given ? '' : ', which is the default as VAULT_ADDR is not set';
  if (reason === 'PLAIN_ANSWER') {
    const plain = address.replace(/^https:/, 'http:');
    return `The server does not use TLS there${origin}. Try\n\n    export VAULT_ADDR=${plain}`;
  }
  if (NOTHING_THERE.has(reason)) {
    return `No server answered at ${address}${origin}.\nStart one with "coffer server", or set VAULT_ADDR (or -address) to where it listens.`;
  }
  if (NAME_UNKNOWN.has(reason))
    return `The name in ${address} is not known. Is VAULT_ADDR (or -address) right?`;
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return 'The certificate is for another name. Set VAULT_TLS_SERVER_NAME (or -tls-server-name) to the name that it has.';
  }
  if (reason === 'CERT_HAS_EXPIRED') return 'The server’s certificate has expired and must be renewed there.';
  if (/CERT|UNABLE_TO|SELF_SIGNED/.test(reason)) {
    return 'The authority that signed the server’s certificate is not trusted here. Set VAULT_CACERT (or -ca-cert) to its certificate.';
  }
  if (reason === 'ECONNRESET' && address.startsWith('http:')) {
    return `The connection was cut. If the server uses TLS, set VAULT_ADDR=${address.replace(/^http:/, 'https:')}`;
  }
  return undefined;
}

function replyAdvice(error: ApiError, command: Command): string | undefined {
  const said = error.errors.join('\n');
  if (/HTTP request to an HTTPS server/i.test(`${error.failure.raw}`)) {
    return 'The server uses TLS there: set VAULT_ADDR to an address that starts with https://.';
  }
  if (/not (yet )?initialized/i.test(said)) return 'Initialize the server first: coffer operator init';
  if (error.status === 503 && /sealed/i.test(said))
    return 'The server is sealed. Unseal it first: coffer operator unseal';
  if (/missing client token/i.test(said)) return 'No token is stored or set. Log in first: coffer login';
  const isPolicyMatter = error.status === 403 && /permission denied/i.test(said);
  if (!isPolicyMatter || command.name === 'policy explain' || command.name === 'login') return undefined;
  const path = decodeURIComponent(new URL(error.failure.url).pathname.replace(/^\/v1\//, ''));
  const operation = operationOf(error.failure.method, error.failure.url);
  return `To see which policy decided: coffer policy explain -operation=${operation} ${path}`;
}

function operationOf(method: string, url: string): string {
  if (method === 'GET') {
    const query = new URL(url).searchParams;
    return query.get('list') === 'true' ? 'list' : query.get('scan') === 'true' ? 'scan' : 'read';
  }
  return method === 'DELETE' ? 'delete' : method === 'PATCH' ? 'patch' : 'update';
}

function red(text: string, terminal: Terminal): string {
  const { environment } = terminal;
  const plain = variable(environment, 'CLI_NO_COLOR') !== undefined || environment.NO_COLOR;
  return terminal.error.isTerminal && !plain ? `\u001b[31m${text}\u001b[0m` : text;
}
