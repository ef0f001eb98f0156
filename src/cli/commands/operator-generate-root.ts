import type { UnknownRecord } from '../../base/json.ts';
import type { Client } from '../../client/client.ts';
import { ApiError } from '../../client/errors.ts';
import { type Context, command } from '../command.ts';
import { attempt, LocalError, RemoteError, reasonOf, UsageError } from '../errors.ts';
import { boolean, string } from '../flags.ts';
import { readKeyShare, readPgpKeys } from '../key-shares.ts';
import { alignRows, type Row } from '../output/table.ts';
import { plainText } from '../output/value.ts';

const flags = {
  init: boolean({ usage: 'Start; only possible while no other is under way.' }),
  cancel: boolean({ usage: 'Forget the shares that were given so far, and the settings.' }),
  status: boolean({ usage: 'Print how far it is.' }),
  decode: string({
    usage: 'Print the token that this encoded one is, with -otp; "-" reads it from standard input.',
  }),
  'generate-otp': boolean({ usage: 'Print a one-time password for -init.' }),
  otp: string({ usage: 'One-time password for -init or -decode.' }),
  'pgp-key': string({ usage: 'File with the PGP public key to encrypt the token with, instead of -otp.' }),
  nonce: string({ usage: 'Nonce that -init printed; needed where the share is not asked for.' }),
  'recovery-token': boolean({ usage: 'Make a recovery token instead.' }),
  'dr-token': boolean({ usage: 'Make an operation token for disaster recovery instead.' }),
};
type RootContext = Context<typeof flags>;

export const generateRoot = command({
  name: 'operator generate-root',
  synopsis: 'Generates a new root token',
  usage: 'operator generate-root [options] [KEY]',
  description: `
Makes a new root token when enough holders of key shares agree: one starts it, each gives a share, and the token that comes out is decoded with the one-time password of the start.

    $ coffer operator generate-root -init
    $ coffer operator generate-root
    $ coffer operator generate-root -decode=... -otp=...`,
  uses: ['http', 'format'],
  flags,
  arguments: { min: 0, max: 1 },
  async run(context) {
    const { flags: given } = context;
    if (given.decode !== undefined) return decode(context, given.decode);
    const endpoint = endpointFor(context);
    try {
      return await hold(context, endpoint);
    } catch (error) {
      const reason = reasonOf(error);
      if (endpoint === ROOT || !(reason instanceof ApiError) || reason.status !== 404) throw error;
      throw new RemoteError(
        given['dr-token']
          ? 'This server has no replication for disasters, so there is no such token: make a root token.'
          : 'This server has no recovery mode, so there is no such token: make a root token.',
      );
    }
  },
});

async function hold(context: RootContext, endpoint: string): Promise<number> {
  const { flags: given } = context;
  const client = await context.client();
  if (given['generate-otp']) return generateOtp(context, client, endpoint);
  if (given.init) return start(context, client, endpoint);
  if (given.cancel) {
    // Vault takes it from the body, Coffer from the query; both cancel without, and Coffer not another's.
    const named = given.nonce ? { nonce: given.nonce.trim() } : undefined;
    const request = client.request('DELETE', `${endpoint}/attempt`, named, named);
    await attempt('Error canceling root token generation', request);
    context.output.line('Success! Root token generation canceled (if it was started)');
    return 0;
  }
  if (given.status) return print(context, await statusOf(client, endpoint));
  return provide(context, client, endpoint);
}

const ROOT = 'sys/generate-root';

function endpointFor({ flags: given }: RootContext): string {
  if (given['recovery-token'] && given['dr-token']) {
    throw new UsageError('-recovery-token and -dr-token cannot be used together');
  }
  if (given['recovery-token']) return 'sys/generate-recovery-token';
  return given['dr-token'] ? 'sys/replication/dr/secondary/generate-operation-token' : ROOT;
}

async function statusOf(client: Client, endpoint: string): Promise<UnknownRecord> {
  const reply = await attempt(
    'Error getting root generation status',
    client.request('GET', `${endpoint}/attempt`),
  );
  return reply.data ?? reply.body;
}

async function generateOtp(
  { terminal, output }: RootContext,
  client: Client,
  endpoint: string,
): Promise<number> {
  const status = await statusOf(client, endpoint);
  const length = Number(status.otp_length);
  if (!Number.isSafeInteger(length) || length < 1 || length > 1024) {
    throw new LocalError('the server does not say how long a one-time password must be');
  }
  const otp = terminal.random.base62(length);
  output.data({ otp, otp_length: length }, () => otp);
  return 0;
}

async function start(context: RootContext, client: Client, endpoint: string): Promise<number> {
  const { flags: given, output } = context;
  if (given.otp !== undefined && given['pgp-key'] !== undefined) {
    throw new UsageError('-otp and -pgp-key cannot be used together');
  }
  const keys = await readPgpKeys(given['pgp-key']);
  const body = { otp: given.otp, pgp_key: keys?.[0] };
  const reply = await attempt(
    'Error initializing root generation',
    client.request('PUT', `${endpoint}/attempt`, body),
  );
  const status = reply.data ?? reply.body;
  if (status.otp && output.format === 'table') {
    output.warn(
      'A One-Time-Password has been generated for you and is shown in the OTP field.\n' +
        'You will need this value to decode the resulting root token, so keep it safe.',
    );
  }
  return print(context, status);
}

async function provide(context: RootContext, client: Client, endpoint: string): Promise<number> {
  const status = await statusOf(client, endpoint);
  if (status.started !== true) {
    throw new LocalError(
      'No root generation is in progress. Start one with "coffer operator generate-root -init".',
    );
  }
  const nonce = nonceFor(context, status);
  const key = await readKeyShare(
    context,
    context.arguments[0],
    `Operation nonce: ${nonce}\nUnseal Key (will be hidden): `,
  );
  const request = client.request('PUT', `${endpoint}/update`, { key, nonce });
  const reply = await attempt('Error posting unseal key', request);
  return print(context, reply.data ?? reply.body);
}

/** Who is asked sees the nonce in the question; a share from elsewhere must name the operation that it is for. */
export function nonceFor(context: Context<{ nonce: typeof flags.nonce }>, status: UnknownRecord): string {
  const { flags: given, arguments: words } = context;
  if (given.nonce) return given.nonce.trim();
  if (words.length === 0) return String(status.nonce ?? '');
  throw new UsageError('Missing nonce value: specify it via the -nonce flag');
}

function print({ output }: RootContext, status: UnknownRecord): number {
  const token = status.encoded_token || status.encoded_root_token;
  const rows: (Row | undefined)[] = [
    ['Nonce', plainText(status.nonce ?? '')],
    ['Started', plainText(status.started)],
    ['Progress', `${plainText(status.progress)}/${plainText(status.required)}`],
    ['Complete', plainText(status.complete)],
    status.pgp_fingerprint ? ['PGP Fingerprint', plainText(status.pgp_fingerprint)] : undefined,
    token ? ['Encoded Token', plainText(token)] : undefined,
    status.otp ? ['OTP', plainText(status.otp)] : undefined,
    status.otp_length ? ['OTP Length', plainText(status.otp_length)] : undefined,
  ];
  output.data(status, () => alignRows(rows.filter((row) => row !== undefined)));
  return 0;
}

async function decode({ flags: given, output, terminal }: RootContext, word: string): Promise<number> {
  if (!given.otp) throw new UsageError('Missing otp: use -otp to supply it');
  const encoded = word === '-' ? (await terminal.readInput()).toString('utf8') : word;
  const bytes = Buffer.from(encoded.trim(), 'base64');
  const otp = Buffer.from(given.otp.trim(), 'utf8');
  if (bytes.length === 0 || bytes.length !== otp.length) {
    throw new LocalError(
      'Error decoding root token: the encoded token and the one-time password differ in length',
    );
  }
  const token = Buffer.from(bytes.map((byte, at) => byte ^ otp[at]!)).toString('utf8');
  output.data({ token }, () => token);
  return 0;
}
