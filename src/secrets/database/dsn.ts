import { InvalidRequest } from '../../base/errors.ts';

/** A PostgreSQL connection string taken apart (libpq manual, 34.1.1): a URI, or keywords with values. */
export interface Dsn {
  /** At least one; tried in turn. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** Of the parameters, those that are understood. */
  readonly sslmode: string | undefined;
  readonly readWrite: boolean;
  readonly connectTimeoutSeconds: number | undefined;
}

const PORT_DEFAULT = '5432';
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
/** Files of this server that a request would name: PEM text goes into the configuration instead. */
const FILE_PARAMETERS = ['sslcert', 'sslkey', 'sslrootcert', 'sslcrl', 'passfile', 'service', 'servicefile'];

/**
 * `{{username}}` (or `{{name}}`) and `{{password}}` are put in as the form needs it; with `disableEscaping` as they
 * are. Throws `InvalidRequest`, never with the text, which may hold a password.
 */
export function parseDsn(
  template: string,
  credentials: { username: string; password: string; disableEscaping: boolean },
): Dsn {
  const isUri = /^postgres(?:ql)?:\/\//.test(template);
  const written = credentials.disableEscaping ? (text: string) => text : isUri ? encodeURIComponent : quoted;
  const text = template
    .replaceAll(/\{\{\s*(?:username|name)\s*\}\}/g, () => written(credentials.username))
    .replaceAll(/\{\{\s*password\s*\}\}/g, () => written(credentials.password));
  const parameters = isUri ? fromUri(text) : fromKeywords(text);
  const named = FILE_PARAMETERS.find((name) => parameters.has(name));
  if (named) {
    throw bad(`${named} names a file on this server; set tls_ca, tls_certificate and private_key instead`);
  }
  const sslmode = parameters.get('sslmode');
  if (sslmode !== undefined && !SSL_MODES.includes(sslmode))
    throw bad(`sslmode must be one of ${SSL_MODES.join(', ')}`);
  const timeout = Number(parameters.get('connect_timeout') ?? 0);
  return {
    hosts: hostsOf(parameters),
    user: parameters.get('user') || credentials.username || undefined,
    password: parameters.get('password') || credentials.password || undefined,
    database: parameters.get('dbname') || undefined,
    sslmode,
    readWrite: ['read-write', 'primary'].includes(parameters.get('target_session_attrs') ?? ''),
    connectTimeoutSeconds: timeout > 0 ? timeout : undefined,
  };
}

/** The connection string as it may be shown: a password in it is starred out. */
export function shownDsn(template: string): string {
  return template
    .replace(/^(\w+:\/\/[^:@/?]*:)([^@]*)(@)/, (whole, head: string, password: string, tail: string) =>
      isPlaceholder(password) ? whole : `${head}*****${tail}`,
    )
    .replaceAll(
      /(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|\{\{\s*password\s*\}\}|[^\s&]*)/gi,
      (whole, head: string, password: string) =>
        isPlaceholder(password.replaceAll("'", '')) ? whole : `${head}*****`,
    );
}

/** Whether the password comes from the configuration, so that it can be rotated. */
export function hasPasswordPlaceholder(template: string): boolean {
  return /\{\{\s*password\s*\}\}/.test(template);
}

function isPlaceholder(text: string): boolean {
  return /^\{\{\s*password\s*\}\}$/.test(text);
}

function hostsOf(parameters: ReadonlyMap<string, string>): Dsn['hosts'] {
  const hosts = (parameters.get('host') || parameters.get('hostaddr') || 'localhost').split(',');
  const ports = (parameters.get('port') || PORT_DEFAULT).split(',');
  if (ports.length > 1 && ports.length !== hosts.length) throw bad('the numbers of hosts and ports differ');
  return hosts.map((host, index) => {
    const port = (ports.length === 1 ? ports[0] : ports[index]) || PORT_DEFAULT;
    if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)
      throw bad('a port is not a number');
    return { host: host || 'localhost', port: Number(port) };
  });
}

/** `new URL` knows one host only, and PostgreSQL's URIs may have several. */
function fromUri(uri: string): Map<string, string> {
  const match =
    /^\w+:\/\/(?:(?<user>[^:@/?]*)(?::(?<password>[^@/?]*))?@)?(?<hosts>[^/?]*)(?:\/(?<dbname>[^?]*))?(?:\?(?<query>.*))?$/s.exec(
      uri,
    );
  if (!match?.groups) throw bad('it is not a URI of the form postgresql://user:password@host:port/database');
  const { user, password, hosts = '', dbname, query = '' } = match.groups;
  const pairs = hosts.split(',').map((pair) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(pair) ?? [];
    if (host === undefined) throw bad('a host is malformed');
    return { host: decoded(host.replace(/^\[(.*)\]$/, '$1')), port: port ?? '' };
  });
  const parameters = new Map<string, string>();
  if (pairs.some(({ host }) => host !== '')) parameters.set('host', pairs.map(({ host }) => host).join(','));
  if (pairs.some(({ port }) => port !== '')) parameters.set('port', pairs.map(({ port }) => port).join(','));
  for (const [name, value] of Object.entries({ user, password, dbname })) {
    if (value) parameters.set(name, decoded(value));
  }
  for (const [name, value] of new URLSearchParams(query)) parameters.set(name, value);
  return parameters;
}

function fromKeywords(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  const keyword = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/sy;
  const end = text.trimEnd().length;
  while (keyword.lastIndex < end) {
    const match = keyword.exec(text);
    if (!match) throw bad('it is neither a postgresql:// URI nor keywords such as host=localhost port=5432');
    parameters.set(match[1]!, (match[2] ?? match[3] ?? '').replaceAll(/\\(.)/gs, '$1'));
  }
  return parameters;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, (character) => `\\${character}`)}'`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad('a percent sign is not followed by two hexadecimal digits');
  }
}

function bad(reason: string): InvalidRequest {
  return new InvalidRequest(`connection_url: ${reason}`);
}
