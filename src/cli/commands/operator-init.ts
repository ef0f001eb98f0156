import type { UnknownRecord } from '../../base/json.ts';
import { stringsOf } from '../../client/reply.ts';
import { type Context, command } from '../command.ts';
import { attempt } from '../errors.ts';
import { boolean, integer, integerOr, string } from '../flags.ts';
import { fill } from '../help.ts';
import { readPgpKeys } from '../key-shares.ts';

const flags = {
  status: boolean({
    usage:
      'Only print whether the server is initialized: exit code 0 if it is, 2 if it is not, 1 on an error.',
  }),
  'key-shares': integerOr(5, { usage: 'Number of shares to split the unseal key into.', aliases: ['n'] }),
  'key-threshold': integerOr(3, { usage: 'Number of shares that are needed together.', aliases: ['t'] }),
  'pgp-keys': string({
    usage:
      'Files with PGP public keys, with commas between them, one for each share, to encrypt the shares with.',
  }),
  'root-token-pgp-key': string({ usage: 'File with the PGP public key to encrypt the root token with.' }),
  'recovery-shares': integerOr(5, {
    usage: 'Number of shares of the recovery key, for seals that unseal by themselves.',
  }),
  'recovery-threshold': integerOr(3, {
    usage: 'Number of shares of the recovery key that are needed together.',
  }),
  'recovery-pgp-keys': string({ usage: 'As -pgp-keys, for the shares of the recovery key.' }),
  'stored-shares': integer({ usage: 'Accepted for scripts of old; it has no effect.' }),
};
type InitContext = Context<typeof flags>;

export const init = command({
  name: 'operator init',
  synopsis: 'Initializes a server',
  usage: 'operator init [options]',
  description: `
Initialises a new server: makes its keys, and prints the shares of the unseal key and the first root token, once.

    $ coffer operator init
    $ coffer operator init -key-shares=3 -key-threshold=2 -pgp-keys=ann.asc,bob.asc,eve.asc`,
  uses: ['http', 'format'],
  flags,
  arguments: { min: 0, max: 0 },
  async run(context) {
    if (context.flags.status) return printStatus(context);
    const client = await context.client();
    const seal = await attempt('Error initializing', client.request('GET', 'sys/seal-status'));
    const body = await requestFor(context, seal.body);
    const reply = await attempt('Error initializing', client.request('PUT', 'sys/init', body));
    const answer = { ...reply.body, ...reply.data };
    context.output.data(structured(answer, body), () => letter(answer, body));
    return 0;
  },
});

async function printStatus({ client, output }: InitContext): Promise<number> {
  const connected = await client();
  const reply = await attempt('Error checking init status', connected.request('GET', 'sys/init'));
  const initialized = reply.body.initialized === true;
  output.data({ initialized }, () => (initialized ? 'Vault is initialized' : 'Vault is not initialized'));
  return initialized ? 0 : 2;
}

interface InitRequest extends UnknownRecord {
  readonly secret_shares?: number;
  readonly secret_threshold?: number;
  readonly recovery_shares?: number;
  readonly recovery_threshold?: number;
}

/** A seal that unseals by itself has recovery keys instead of unseal keys, and refuses to be asked for both. */
async function requestFor({ flags: given }: InitContext, seal: UnknownRecord): Promise<InitRequest> {
  const rootKeys = await readPgpKeys(given['root-token-pgp-key']);
  const root = rootKeys && { root_token_pgp_key: rootKeys[0] };
  const recovers = seal.recovery_seal === true || (seal.type !== undefined && seal.type !== 'shamir');
  if (recovers) {
    const keys = await readPgpKeys(given['recovery-pgp-keys']);
    return {
      recovery_shares: given['recovery-shares'],
      recovery_threshold: given['recovery-threshold'],
      ...(keys && { recovery_pgp_keys: keys }),
      ...root,
    };
  }
  const keys = await readPgpKeys(given['pgp-keys']);
  return {
    secret_shares: given['key-shares'],
    secret_threshold: given['key-threshold'],
    ...(keys && { pgp_keys: keys }),
    ...root,
  };
}

/** What `-format=json` prints, which scripts read to unseal. */
function structured(answer: UnknownRecord, request: InitRequest): UnknownRecord {
  return {
    unseal_keys_b64: stringsOf(answer.keys_base64),
    unseal_keys_hex: stringsOf(answer.keys),
    unseal_shares: request.secret_shares ?? 1,
    unseal_threshold: request.secret_threshold ?? 1,
    recovery_keys_b64: stringsOf(answer.recovery_keys_base64),
    recovery_keys_hex: stringsOf(answer.recovery_keys),
    recovery_keys_shares: request.recovery_shares ?? 0,
    recovery_keys_threshold: request.recovery_threshold ?? 0,
    root_token: answer.root_token,
  };
}

function letter(answer: UnknownRecord, request: InitRequest): string {
  const unseal = stringsOf(answer.keys_base64).map((key, at) => `Unseal Key ${at + 1}: ${key}`);
  const recovery = stringsOf(answer.recovery_keys_base64).map((key, at) => `Recovery Key ${at + 1}: ${key}`);
  const token = `Initial Root Token: ${String(answer.root_token)}`;
  return `${[...unseal, ...recovery].join('\n')}\n\n${token}\n\n${fill(advice(request), 78)}`;
}

function advice(request: InitRequest): string {
  if (request.secret_shares === undefined) {
    return `Success! The server is initialized, with ${request.recovery_shares} recovery key shares of which ${request.recovery_threshold} are needed together. Give them to different people: they are for what the seal alone must not do, such as a new root token.`;
  }
  const { secret_shares: shares, secret_threshold: threshold } = request;
  return `The server is initialized with ${shares} key shares and a key threshold of ${threshold}. Give the shares above to different people. After each start, and after it was sealed, the server needs ${threshold} of them before it answers.

The server keeps neither the shares nor this root token. Without ${threshold} shares what it stores is lost.

New shares can be made while enough of the old ones exist: see "coffer operator rekey".`;
}
