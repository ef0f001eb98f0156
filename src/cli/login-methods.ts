import { LocalError, UsageError } from './errors.ts';
import type { InputData } from './input.ts';
import type { Terminal } from './terminal.ts';

/** How `coffer login` turns its pairs into the login request of an auth method, and what `coffer auth help` says of it. */
export interface LoginMethod {
  readonly help: string;
  /** `login` is the path below the mount. */
  request(data: InputData, host: LoginHost): Promise<{ login: string; body: InputData }>;
}

export interface LoginHost {
  readonly terminal: Terminal;
  /** Whether a person may be asked. */
  readonly interactive: boolean;
}

function passwordMethod(title: string): LoginMethod {
  return {
    help: `
Usage: coffer login -method=TYPE [CONFIG K=V...]

  Logs in with ${title}.

      $ coffer login -method=TYPE username=bob

Configuration:

  password=<string>
      Password to use for authentication. If not given, it is asked for.

  username=<string>
      Username to use for authentication. The default is the user's own name.`,
    async request(data, { terminal, interactive }) {
      const { username: given, password: known, ...rest } = data;
      const username = textOf(given) ?? terminal.environment.USER ?? terminal.environment.LOGNAME;
      if (!username) throw new UsageError('"username" must be given');
      const password = textOf(known) ?? (await askPassword(terminal, interactive));
      return { login: `login/${username}`, body: { ...rest, password } };
    },
  };
}

const appRole: LoginMethod = {
  help: `
Usage: coffer login -method=approle [CONFIG K=V...]

  Logs in a machine with the identifiers of an AppRole.

      $ coffer login -method=approle role_id=... secret_id=@/run/secret-id

Configuration:

  role_id=<string>
      Identifier of the role. Required.

  secret_id=<string>
      Secret that goes with it, unless the role needs none.`,
  async request(data) {
    if (!textOf(data.role_id)) throw new UsageError('"role_id" must be given');
    const trimmed = Object.entries(data).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.trim() : value,
    ]);
    return { login: 'login', body: Object.fromEntries(trimmed) as InputData };
  },
};

const certificate: LoginMethod = {
  help: `
Usage: coffer login -method=cert [CONFIG K=V...]

  Logs in with the TLS client certificate of -client-cert and -client-key.

      $ coffer login -method=cert -client-cert=cert.pem -client-key=key.pem name=web

Configuration:

  name=<string>
      Name of the certificate role to log in with. Without it any role that matches will do.`,
  request: async (data) => ({ login: 'login', body: data }),
};

const github: LoginMethod = {
  help: `
Usage: coffer login -method=github [CONFIG K=V...]

  Logs in with a personal access token of GitHub.

Configuration:

  token=<string>
      The token. If not given, it is taken from VAULT_AUTH_GITHUB_TOKEN or asked for.`,
  async request(data, { terminal, interactive }) {
    const known = textOf(data.token) ?? terminal.environment.VAULT_AUTH_GITHUB_TOKEN;
    if (!known && !(interactive && terminal.canAsk)) throw new UsageError('"token" must be given');
    const token = known || (await terminal.askHidden('GitHub Personal Access Token (will be hidden): '));
    return { login: 'login', body: { ...data, token } };
  },
};

/** Methods that need more than their pairs sent to `login` as they are. */
export const loginMethods: ReadonlyMap<string, LoginMethod> = new Map([
  ['userpass', passwordMethod('a name and a password that are kept by the server')],
  ['ldap', passwordMethod('a name and a password of an LDAP directory')],
  ['okta', passwordMethod('a name and a password of Okta')],
  ['radius', passwordMethod('a name and a password of a RADIUS server')],
  ['approle', appRole],
  ['cert', certificate],
  ['github', github],
]);

async function askPassword(terminal: Terminal, interactive: boolean): Promise<string> {
  if (!interactive)
    throw new UsageError('"password" must be given, as -non-interactive forbids asking for it');
  if (terminal.canAsk) return terminal.askHidden('Password (will be hidden): ');
  const piped = (await terminal.readInput()).toString('utf8').replace(/\r?\n$/, '');
  if (piped === '') throw new LocalError('"password" must be given, as there is no terminal to ask at');
  return piped;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
