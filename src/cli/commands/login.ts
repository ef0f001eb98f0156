import type { Client } from '../../client/client.ts';
import { type AuthBlock, type Reply, replyFrom, stringsOf } from '../../client/reply.ts';
import { type Context, command } from '../command.ts';
import { attempt, LocalError, RemoteError, UsageError } from '../errors.ts';
import { boolean, string, stringOr } from '../flags.ts';
import { cleanPath, type InputData, readData } from '../input.ts';
import { loginMethods } from '../login-methods.ts';
import { finishMultiFactor } from '../multi-factor.ts';
import { unwrapToken } from './unwrap.ts';

const flags = {
  method: stringOr('token', {
    usage:
      'Type of the auth method, such as userpass or approle. -path tells where it is, if not at its type.',
    values: [...loginMethods.keys()],
  }),
  path: string({ usage: 'Where the auth method is enabled. The default is its type.' }),
  'no-print': boolean({ usage: 'Do not show the token. It is stored all the same.' }),
  'no-store': boolean({ usage: 'Do not store the token; it is only shown.' }),
  'token-only': boolean({
    usage: 'Print the token and nothing else, and do not store it: "-field=token -no-store".',
  }),
};
type LoginContext = Context<typeof flags>;

export const login = command({
  name: 'login',
  synopsis: 'Authenticate locally',
  usage: 'login [options] [AUTH K=V...]',
  description: `
Authenticates a person or a machine, and stores the token that comes of it for the commands that follow.

The default method is "token", which takes the token as argument, from standard input with "-", or asks for it:

    $ coffer login

Other methods take pairs of K=V; "coffer auth help TYPE" tells which:

    $ coffer login -method=userpass username=my-username
    $ coffer login -method=approle role_id=... secret_id=...`,
  uses: ['http', 'format', 'field'],
  flags,
  arguments: { min: 0 },
  async run(context) {
    const { flags: given, output } = context;
    if (given['no-store'] && given['no-print'])
      throw new UsageError('-no-store and -no-print cannot be used together');
    const client = (await context.client()).with({ token: '' });
    const wrapped = await authenticate(context, client);
    const reply = await unwrapIfWanted(context, client, wrapped);
    const token = reply.wrapInfo?.token ?? reply.auth?.client_token;
    if (!token)
      throw new RemoteError(
        'The server answered the login without a token. Is the path that of an auth method?',
      );
    if (given['token-only']) {
      output.value(token);
      return 0;
    }
    const stored = !given['no-store'] && !reply.wrapInfo;
    if (stored) await storeToken(context, token);
    if (!given['no-print']) printLogin(context, reply, stored);
    return 0;
  },
});

async function authenticate(context: LoginContext, client: Client): Promise<Reply> {
  const { flags: given, arguments: words } = context;
  const type = given.method.toLowerCase();
  if (type === 'token') return loginWithToken(context, client);
  const method = loginMethods.get(type);
  const path = cleanPath(given.path ?? type);
  const data = await readData(words, context.terminal);
  const { login: loginPath, body } = method
    ? await method.request(data, { terminal: context.terminal, interactive: !given['non-interactive'] })
    : { login: 'login', body: data };
  const reply = await attempt(
    'Error authenticating',
    client.request('PUT', `auth/${path}/${loginPath}`, body),
  );
  return finishMultiFactor(reply, client, context);
}

async function loginWithToken(context: LoginContext, client: Client): Promise<Reply> {
  const { flags: given } = context;
  const token = (await tokenFrom(context)).trim();
  if (token === '') throw new LocalError('Error authenticating: no token was given');
  if (given['token-only'])
    return replyFrom({ status: 200, headers: new Map(), raw: envelope({ client_token: token }) });
  const own = client.with({ token, wrapTtl: () => undefined });
  const lookup = await attempt(
    'Error authenticating: error looking up token',
    own.request('GET', 'auth/token/lookup-self'),
  );
  return replyFrom({ status: 200, headers: new Map(), raw: envelope(authOf(token, lookup.data ?? {})) });
}

async function tokenFrom({ arguments: words, terminal, flags: given }: LoginContext): Promise<string> {
  if (words.length > 1) throw new UsageError(`Too many arguments (expected 0 or 1, got ${words.length})`);
  const word = words[0];
  if (word?.startsWith('token=')) return word.slice('token='.length);
  if (word !== undefined && word !== '-') return word;
  if (word === '-' || !terminal.canAsk) return (await terminal.readInput()).toString('utf8');
  if (given['non-interactive'])
    throw new UsageError('a token must be given, as -non-interactive forbids asking for it');
  return terminal.askHidden('Token (will be hidden): ');
}

/** What a login with this token would have answered, from what its lookup tells. */
function authOf(token: string, data: InputData): Partial<AuthBlock> {
  const policies = stringsOf(data.policies);
  const identity = stringsOf(data.identity_policies);
  const all = [...new Set([...policies, ...identity])].sort();
  return {
    client_token: token,
    accessor: String(data.accessor ?? ''),
    token_policies: policies,
    identity_policies: identity,
    policies: all,
    metadata: (data.meta ?? null) as AuthBlock['metadata'],
    lease_duration: Number(data.ttl ?? 0),
    renewable: data.renewable === true,
  };
}

function envelope(auth: Partial<AuthBlock>): string {
  return JSON.stringify({
    request_id: '',
    lease_id: '',
    lease_duration: 0,
    renewable: false,
    data: null,
    warnings: null,
    auth,
  });
}

/** A wrapped login is unwrapped at once, unless the wrapping token itself is what was asked for. */
async function unwrapIfWanted(context: LoginContext, client: Client, reply: Reply): Promise<Reply> {
  const wrapping = reply.wrapInfo?.token;
  if (wrapping === undefined || context.flags['token-only'] || context.flags['no-store']) return reply;
  const plain = client.with({ token: wrapping, wrapTtl: () => undefined });
  return attempt('Error unwrapping the login', unwrapToken(plain, wrapping));
}

async function storeToken(context: LoginContext, token: string): Promise<void> {
  const store = await context.tokenStore();
  try {
    await store.store(token);
  } catch (error) {
    context.output.warn(`Error storing token: ${error instanceof Error ? error.message : String(error)}`);
    context.output.warn(
      'Authentication was successful, but the token was not persisted. The resulting token is shown below for your records.',
    );
  }
  const { environment } = context.terminal;
  const shadowing = ['COFFER_TOKEN', 'BAO_TOKEN', 'VAULT_TOKEN'].find((name) => environment[name]);
  if (shadowing !== undefined && context.output.format === 'table' && context.output.field === undefined) {
    context.output.warn(
      `WARNING! The ${shadowing} environment variable is set! The value of this variable will take precedence; if this is unwanted please unset ${shadowing} or update its value accordingly.\n`,
    );
  }
}

function printLogin({ output, flags: given }: LoginContext, reply: Reply, stored: boolean): void {
  if (output.format === 'table' && given.field === undefined) {
    output.line(
      stored
        ? 'Success! You are now authenticated. The token information displayed below\n' +
            'is already stored in the token helper. You do NOT need to run "coffer login"\n' +
            'again. Future requests will automatically use this token.\n'
        : 'The token was not stored in token helper. Set the VAULT_TOKEN environment\n' +
            'variable or pass the token below with each request.\n',
    );
  }
  output.reply(reply);
}
