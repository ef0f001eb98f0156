import type { OutgoingRequest } from '../client/transport.ts';
import { PrintedInstead } from './errors.ts';

/** For `-output-curl-string`: the request as a command for a shell. The token is not in it, only how to get it. */
export function printCurl(request: OutgoingRequest): never {
  const words = ['curl', ...(request.method === 'GET' ? [] : ['-X', request.method])];
  for (const [name, value] of request.headers) {
    const isToken = name.toLowerCase() === 'x-vault-token';
    if (name.toLowerCase() === 'content-type' && request.method !== 'PATCH') continue;
    words.push('-H', isToken ? `"${name}: $(coffer print token)"` : doubleQuoted(`${name}: ${value}`));
  }
  if (request.body !== undefined) words.push('-d', singleQuoted(request.body));
  words.push(
    /^[A-Za-z0-9:/._~%@-]+$/.test(request.url.href) ? request.url.href : singleQuoted(request.url.href),
  );
  throw new PrintedInstead(words.join(' '));
}

/** For `-output-policy`: the rule that allows the request. */
export function printPolicy(request: OutgoingRequest): never {
  const path = decodeURIComponent(request.url.pathname.replace(/^.*?\/v1\//, ''));
  const names = capabilitiesFor(request, path).map((name) => `"${name}"`);
  throw new PrintedInstead(`path ${JSON.stringify(path)} {\n  capabilities = [${names.join(', ')}]\n}`);
}

/** Paths that ask for `sudo` too, as the API documents them; `*` ends a prefix and `+` is one segment. */
const SUDO_PATHS = [
  'auth/token/accessors',
  'auth/token/revoke-orphan',
  'sys/audit',
  'sys/audit/*',
  'sys/auth/*',
  'sys/config/auditing/*',
  'sys/config/cors',
  'sys/config/ui/headers*',
  'sys/internal/inspect/*',
  'sys/leases/lookup/*',
  'sys/leases/revoke-force/*',
  'sys/leases/revoke-prefix/*',
  'sys/leases',
  'sys/plugins/catalog/*',
  'sys/raw*',
  'sys/remount',
  'sys/revoke-force/*',
  'sys/revoke-prefix/*',
  'sys/rotate',
  'sys/seal',
  'sys/step-down',
];

function capabilitiesFor({ method, url }: OutgoingRequest, path: string): string[] {
  const sudo = SUDO_PATHS.some((pattern) => matches(pattern, path)) ? ['sudo'] : [];
  if (method === 'DELETE' || method === 'PATCH') return [method.toLowerCase(), ...sudo];
  if (method !== 'GET') return ['create', 'update', ...sudo];
  if (url.searchParams.get('list') === 'true') return ['list', ...sudo];
  return [url.searchParams.get('scan') === 'true' ? 'scan' : 'read', ...sudo];
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path.replace(/\/$/, '') === pattern;
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function doubleQuoted(text: string): string {
  return `"${text.replace(/[\\"$`]/g, '\\$&')}"`;
}
