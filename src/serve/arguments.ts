/** The flags of `coffer server`: Vault's, Go-style (`-flag`, `-flag=value`, `-flag value`). */
export interface ServeArguments {
  readonly configPaths: readonly string[];
  readonly check: boolean;
  readonly dev: boolean;
  readonly quickStart: boolean;
  readonly devRootToken: string | undefined;
  readonly devListenAddress: string;
  readonly devNoStoreToken: boolean;
  readonly devNoKv: boolean;
  readonly logLevel: string | undefined;
  readonly logFormat: string | undefined;
  readonly logFile: string | undefined;
}

type Kind = 'flag' | 'value' | 'list';

const FLAGS = new Map<string, Kind>([
  ['config', 'list'],
  ['check', 'flag'],
  ['dev', 'flag'],
  ['quickstart', 'flag'],
  ['dev-root-token-id', 'value'],
  ['dev-listen-address', 'value'],
  ['dev-no-store-token', 'flag'],
  ['dev-no-kv', 'flag'],
  ['dev-kv-v1', 'flag'],
  ['log-level', 'value'],
  ['log-format', 'value'],
  ['log-file', 'value'],
]);

/** A mistake in the arguments; the message is for whoever typed them. */
export class ArgumentsInvalid extends Error {
  readonly code = 'arguments_invalid';
}

/** Throws `ArgumentsInvalid`. */
export function parseServeArguments(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): ServeArguments {
  const given = new Map<string, string[]>();
  for (let i = 0; i < argv.length; i++) {
    const match = /^--?([a-z0-9-]+)(?:=([\s\S]*))?$/.exec(argv[i]!);
    const kind = match && FLAGS.get(match[1]!);
    if (!match || !kind) throw new ArgumentsInvalid(`unknown argument ${argv[i]}`);
    const value = match[2] ?? (kind === 'flag' ? 'true' : argv[++i]);
    if (value === undefined) throw new ArgumentsInvalid(`-${match[1]} needs a value`);
    given.set(match[1]!, [...(given.get(match[1]!) ?? []), value]);
  }
  const last = (name: string) => given.get(name)?.at(-1);
  const on = (name: string) => /^(true|1|t)$/i.test(last(name) ?? 'false');
  return {
    configPaths: given.get('config') ?? [],
    check: on('check'),
    dev: on('dev') || given.has('dev-root-token-id'),
    quickStart: on('quickstart'),
    devRootToken: last('dev-root-token-id') ?? environment.VAULT_DEV_ROOT_TOKEN_ID,
    devListenAddress: last('dev-listen-address') ?? environment.VAULT_DEV_LISTEN_ADDRESS ?? '127.0.0.1:8200',
    devNoStoreToken: on('dev-no-store-token'),
    devNoKv: on('dev-no-kv'),
    logLevel: last('log-level') ?? environment.VAULT_LOG_LEVEL,
    logFormat: last('log-format') ?? environment.VAULT_LOG_FORMAT,
    logFile: last('log-file'),
  };
}
