import { secondsOf } from '../base/duration.ts';
import type { Header } from './client.ts';
import { SettingError } from './errors.ts';
import type { TlsSettings } from './transport.ts';

/** Environment variables by name; values that are empty count as not set, as they do for Vault's client. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment says about how to reach a server. Certificate files are named here and read by the client. */
export interface ClientEnvironment {
  readonly address: string;
  /** False where `address` is only the default. */
  readonly addressGiven: boolean;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly wrapTtl: string | undefined;
  readonly tls: TlsSettings;
  readonly headers: readonly Header[];
  readonly proxyEnvironment: Environment;
  readonly timeoutMs: number;
  /** Undefined where the environment does not say. */
  readonly retriesMax: number | undefined;
  readonly followRedirects: boolean;
  readonly rateLimit: { readonly perSecond: number; readonly burst: number } | undefined;
}

export const ADDRESS_DEFAULT = 'https://127.0.0.1:8200';

const PREFIXES = ['COFFER_', 'BAO_', 'VAULT_'] as const;

/** The variable `COFFER_<name>`, else `BAO_<name>`, else `VAULT_<name>`; undefined where none is set or all are empty. */
export function variable(environment: Environment, name: string): string | undefined {
  for (const prefix of PREFIXES) {
    const value = environment[`${prefix}${name}`];
    if (value) return value;
  }
  return undefined;
}

/** Reads every variable once; throws `SettingError` naming the first one that makes no sense. */
export function readEnvironment(environment: Environment): ClientEnvironment {
  const get = (name: string) => variable(environment, name);
  const address = get('AGENT_ADDR') ?? get('ADDR');
  return {
    address: trimSlashes(address ?? ADDRESS_DEFAULT),
    addressGiven: address !== undefined,
    token: get('TOKEN')?.trim(),
    namespace: get('NAMESPACE'),
    wrapTtl: get('WRAP_TTL'),
    tls: readTls(get),
    headers: readHeaders(get('HEADERS')),
    proxyEnvironment: readProxy(get, environment),
    timeoutMs: readTimeout(get('CLIENT_TIMEOUT')),
    retriesMax: readWhole('MAX_RETRIES', get('MAX_RETRIES')),
    followRedirects: !readBoolean('DISABLE_REDIRECTS', get('DISABLE_REDIRECTS')),
    rateLimit: readRateLimit(get('RATE_LIMIT')),
  };
}

/** A truth value as Go reads it; undefined is false. */
export function readBoolean(name: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new SettingError(`could not parse VAULT_${name}: "${text}" is neither true nor false`);
}

/** Reserved names are the protocol's own: a header file must not be able to replace the token. */
export function checkHeaderName(name: string): void {
  if (/^x-vault-/i.test(name)) throw new SettingError(`Header key must not begin by 'X-Vault-': ${name}`);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) throw new SettingError(`"${name}" is no name of a header`);
}

/** Trailing slashes of an address would double where paths are joined to it. */
export function trimSlashes(address: string): string {
  return address.startsWith('unix:') ? address : address.replace(/\/+$/, '');
}

function readTls(get: (name: string) => string | undefined): TlsSettings {
  return {
    ...pick('caFile', get('CACERT')),
    ...pick('caDirectory', get('CAPATH')),
    ...pick('caText', get('CACERT_BYTES')),
    ...pick('clientCertificateFile', get('CLIENT_CERT')),
    ...pick('clientKeyFile', get('CLIENT_KEY')),
    ...pick('serverName', get('TLS_SERVER_NAME')),
    skipVerify: readBoolean('SKIP_VERIFY', get('SKIP_VERIFY')),
  };
}

function pick<K extends keyof TlsSettings>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<K, string>>;
}

function readHeaders(text: string | undefined): Header[] {
  if (text === undefined) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingError('could not parse VAULT_HEADERS: it must be a JSON object of texts');
  }
  return Object.entries(value).map(([name, content]) => {
    checkHeaderName(name);
    if (typeof content === 'string') return [name, content] as const;
    throw new SettingError(`could not parse VAULT_HEADERS: the value of ${name} must be a text`);
  });
}

/** A proxy of our own serves every address; otherwise the usual variables hold, with their exceptions. */
function readProxy(get: (name: string) => string | undefined, environment: Environment): Environment {
  const own = get('PROXY_ADDR') ?? get('HTTP_PROXY');
  if (own !== undefined) return { HTTP_PROXY: own, HTTPS_PROXY: own };
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];
  const set = names.filter((name) => environment[name]).map((name) => [name, environment[name]]);
  return Object.fromEntries(set) as Environment;
}

/** `60`, `90s`, `2m`, `1m30s`: a plain number is seconds. */
function readTimeout(text: string | undefined): number {
  if (text === undefined) return 60_000;
  const seconds = secondsOf(text.trim());
  if (!(seconds >= 0)) throw new SettingError(`could not parse VAULT_CLIENT_TIMEOUT: "${text}"`);
  // Zero means no limit for Vault's client.
  return seconds === 0 ? 2 ** 31 - 1 : seconds * 1000;
}

function readWhole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text))
    throw new SettingError(`could not parse VAULT_${name}: "${text}" is no whole number`);
  return Math.max(0, Number(text));
}

function readRateLimit(text: string | undefined): ClientEnvironment['rateLimit'] {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)(?::(\d+))?$/.exec(text);
  const perSecond = Number(match?.[1]);
  if (!match || !(perSecond > 0)) {
    throw new SettingError(`could not parse VAULT_RATE_LIMIT: "${text}" is not of the form rate[:burst]`);
  }
  return { perSecond, burst: Math.max(1, Number(match[2] ?? perSecond)) };
}
