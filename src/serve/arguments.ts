import { type Environment, variable } from '../client/environment.ts';

/** The flags of `coffer server`: Vault's, Go-style (`-flag`, `-flag=value`, `-flag value`). */
export interface ServeArguments {
  readonly configPaths: readonly string[];
  readonly check: boolean;
  readonly mode: ServeMode;
  /** Where the quick start listens. */
  readonly listenAddress: string;
  readonly devRootToken: string | undefined;
  readonly devListenAddress: string;
  readonly devNoStoreToken: boolean;
  /** `-dev` with TLS by certificates made on the spot, in this folder or a temporary one, for these names too. */
  readonly devTls: { readonly folder: string | undefined; readonly names: readonly string[] } | undefined;
  /** What `-dev` mounts at `secret/`. */
  readonly devKv: 'version 1' | 'version 2' | 'none';
  readonly logLevel: string | undefined;
  readonly logFormat: string | undefined;
  readonly logFile: string | undefined;
}

export type ServeMode = 'configured' | 'development' | 'quick start';

type Kind = 'flag' | 'value' | 'list';

const FLAGS = new Map<string, Kind>([
  ['config', 'list'],
  ['check', 'flag'],
  ['dev', 'flag'],
  ['dev-root-token-id', 'value'],
  ['dev-listen-address', 'value'],
  ['dev-no-store-token', 'flag'],
  ['dev-tls', 'flag'],
  ['dev-tls-cert-dir', 'value'],
  ['dev-tls-san', 'list'],
  ['dev-no-kv', 'flag'],
  ['dev-kv-v1', 'flag'],
  ['quickstart', 'flag'],
  ['listen-address', 'value'],
  ['log-level', 'value'],
  ['log-format', 'value'],
  ['log-file', 'value'],
]);

const ADDRESS_DEFAULT = '127.0.0.1:8200';

/** A mistake in the arguments; the message is for whoever typed them. */
export class ArgumentsInvalid extends Error {
  readonly code = 'arguments_invalid';
}

/** Throws `ArgumentsInvalid`. */
export function parseServeArguments(argv: readonly string[], environment: Environment): ServeArguments {
  const given = parseFlags(argv);
  const last = (name: string) => given.get(name)?.at(-1);
  const on = (name: string) => isOn(name, last(name));
  const configPaths = given.get('config') ?? [];
  const listenAddress = last('listen-address') ?? environment.COFFER_LISTEN_ADDRESS;
  const devListenAddress = last('dev-listen-address') ?? variable(environment, 'DEV_LISTEN_ADDRESS');
  return {
    configPaths,
    check: on('check'),
    mode: modeOf(given, { quickStart: on('quickstart'), configured: configPaths.length > 0 }),
    listenAddress: listenAddress || ADDRESS_DEFAULT,
    devRootToken: last('dev-root-token-id') ?? variable(environment, 'DEV_ROOT_TOKEN_ID'),
    devListenAddress: devListenAddress || ADDRESS_DEFAULT,
    devNoStoreToken: on('dev-no-store-token'),
    devTls: on('dev-tls')
      ? { folder: last('dev-tls-cert-dir'), names: given.get('dev-tls-san') ?? [] }
      : undefined,
    devKv: on('dev-no-kv') ? 'none' : on('dev-kv-v1') ? 'version 1' : 'version 2',
    logLevel: last('log-level'),
    logFormat: last('log-format'),
    logFile: last('log-file'),
  };
}

type Given = ReadonlyMap<string, readonly string[]>;

function parseFlags(argv: readonly string[]): Given {
  const given = new Map<string, string[]>();
  for (let at = 0; at < argv.length; at++) {
    const [, name = '', inline] = /^--?([a-z0-9-]+)(?:=([\s\S]*))?$/.exec(argv[at]!) ?? [];
    const kind = FLAGS.get(name);
    if (!kind) throw new ArgumentsInvalid(`unknown argument ${argv[at]}`);
    const value = inline ?? (kind === 'flag' ? 'true' : argv[++at]);
    if (value === undefined) throw new ArgumentsInvalid(`-${name} needs a value`);
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  return given;
}

function isOn(name: string, value = 'false'): boolean {
  if (/^(true|1|t)$/i.test(value)) return true;
  if (/^(false|0|f)$/i.test(value)) return false;
  throw new ArgumentsInvalid(`-${name} is either true or false, not ${JSON.stringify(value)}`);
}

/** As with Vault, any flag of the development mode turns it on. */
function modeOf(
  given: Given,
  { quickStart, configured }: { quickStart: boolean; configured: boolean },
): ServeMode {
  const development = [...given].some(
    ([name, values]) => name.startsWith('dev-') || (name === 'dev' && isOn(name, values.at(-1))),
  );
  if (quickStart && (development || configured)) {
    throw new ArgumentsInvalid('-quickstart stands alone: it takes neither -config nor -dev');
  }
  if (given.has('listen-address') && !quickStart) {
    throw new ArgumentsInvalid('-listen-address is for -quickstart; a configuration file has listeners');
  }
  if (!development && !quickStart && !configured) {
    throw new ArgumentsInvalid(
      'a configuration file must be given with -config, or -dev for a server in memory',
    );
  }
  return development ? 'development' : quickStart ? 'quick start' : 'configured';
}
