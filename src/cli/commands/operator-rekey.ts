import { isRecord, type UnknownRecord } from '../../base/json.ts';
import type { Client } from '../../client/client.ts';
import { stringsOf } from '../../client/reply.ts';
import { type Context, command } from '../command.ts';
import { attempt, LocalError, RemoteError, UsageError } from '../errors.ts';
import { boolean, integerOr, string, stringOr } from '../flags.ts';
import { fill } from '../help.ts';
import { readKeyShare, readPgpKeys } from '../key-shares.ts';
import { keyValueTable, type Row } from '../output/table.ts';
import { plainText, sortedEntries } from '../output/value.ts';
import { nonceFor } from './operator-generate-root.ts';

const flags = {
  init: boolean({ usage: 'Start; only possible while no other is under way.' }),
  cancel: boolean({ usage: 'Forget the shares that were given so far, and the settings.' }),
  status: boolean({ usage: 'Print how far it is.' }),
  'key-shares': integerOr(5, { usage: 'Number of new shares.', aliases: ['n'] }),
  'key-threshold': integerOr(3, { usage: 'Number of new shares that are needed together.', aliases: ['t'] }),
  'pgp-keys': string({
    usage: 'Files with PGP public keys, with commas between them, one for each new share.',
  }),
  nonce: string({
    usage: 'Nonce that -init printed; needed where the share is not asked for, and for an early -cancel.',
  }),
  target: stringOr('barrier', {
    usage: '"recovery" makes new recovery keys, for seals that unseal by themselves.',
    values: ['barrier', 'recovery'],
  }),
  verify: boolean({
    usage:
      'With -init: the new shares hold only after they were given back. Otherwise: give back a new share.',
  }),
  backup: boolean({ usage: 'With -init and -pgp-keys: let the server keep the encrypted new shares.' }),
  'backup-retrieve': boolean({ usage: 'Print the encrypted shares that the server keeps.' }),
  'backup-delete': boolean({ usage: 'Delete the encrypted shares that the server keeps.' }),
};
type RekeyContext = Context<typeof flags>;

export const rekey = command({
  name: 'operator rekey',
  synopsis: 'Generates new unseal keys',
  usage: 'operator rekey [options] [KEY]',
  description: `
Makes new shares of the unseal key, perhaps more or fewer, when enough holders of the present ones agree: one starts it and each gives a share. The server keeps serving.

    $ coffer operator rekey -init -key-shares=15 -key-threshold=9
    $ coffer operator rekey`,
  uses: ['http', 'format'],
  flags,
  arguments: { min: 0, max: 1 },
  run: (context) => hold(context, REKEY),
});

export const rotateKeys = command({
  name: 'operator rotate-keys',
  synopsis: 'Generates new unseal keys, with a token that may',
  usage: 'operator rotate-keys [options] [KEY]',
  description: `
Like "operator rekey", for callers whose token has sudo on sys/rotate: nobody without one can disturb it.

    $ coffer operator rotate-keys -init -key-shares=15 -key-threshold=9
    $ coffer operator rotate-keys
    $ coffer operator rotate-keys -root-only`,
  uses: ['http', 'format'],
  flags: {
    ...flags,
    'root-only': boolean({ usage: 'Replace the root key at once, without shares; all shares stay good.' }),
  },
  arguments: { min: 0, max: 1 },
  async run(context) {
    if (!context.flags['root-only']) return hold(context, ROTATE_KEYS);
    const client = await context.client();
    await attempt('Error rotating the root key', client.request('PUT', 'sys/rotate/root'));
    context.output.line('Success! Replaced the root key');
    return 0;
  },
});

/** Where a ceremony is held, by target. */
interface Endpoint {
  readonly command: string;
  readonly operation: string;
  readonly backup: string;
}
type Endpoints = ReadonlyMap<string, Endpoint>;

const REKEY: Endpoints = endpoints('operator rekey', {
  barrier: ['sys/rekey', 'sys/rekey/backup'],
  recovery: ['sys/rekey-recovery-key', 'sys/rekey/recovery-key-backup'],
});
const ROTATE_KEYS: Endpoints = endpoints('operator rotate-keys', {
  barrier: ['sys/rotate/root', 'sys/rotate/root/backup'],
  recovery: ['sys/rotate/recovery', 'sys/rotate/recovery/backup'],
});

function endpoints(
  name: string,
  paths: Readonly<Record<'barrier' | 'recovery', readonly [operation: string, backup: string]>>,
): Endpoints {
  const of = ([operation, backup]: readonly [string, string]): Endpoint => ({
    command: name,
    operation,
    backup,
  });
  // `hsm` is what the recovery target was once called.
  const recovery = of(paths.recovery);
  return new Map([
    ['barrier', of(paths.barrier)],
    ['recovery', recovery],
    ['hsm', recovery],
  ]);
}

async function hold(context: RekeyContext, places: Endpoints): Promise<number> {
  const { flags: given } = context;
  const client = await context.client();
  const place = places.get(given.target);
  if (!place) throw new UsageError(`Unknown target: ${given.target} (barrier or recovery)`);
  const { operation, backup } = place;
  if (given['backup-delete']) return deleteBackup(context, client, backup);
  if (given['backup-retrieve']) return printBackup(context, client, backup);
  if (given.init) return start(context, client, `${operation}/init`);
  const stage = `${operation}/${given.verify ? 'verify' : 'init'}`;
  if (given.cancel) {
    // Vault takes it from the body, Coffer from the query.
    const named = given.nonce ? { nonce: given.nonce.trim() } : undefined;
    await attempt('Error canceling rekey', client.request('DELETE', stage, named, named));
    context.output.line('Success! Canceled rekeying (if it was started)');
    return 0;
  }
  const reply = await attempt('Error getting rekey status', client.request('GET', stage));
  const status = reply.data ?? reply.body;
  if (given.status) return printStatus(context, status);
  return provide(context, client, { ...place, status });
}

async function start(context: RekeyContext, client: Client, path: string): Promise<number> {
  const { flags: given, output } = context;
  const keys = await readPgpKeys(given['pgp-keys']);
  const body = {
    secret_shares: given['key-shares'],
    secret_threshold: given['key-threshold'],
    pgp_keys: keys,
    backup: given.backup,
    require_verification: given.verify,
  };
  const reply = await attempt('Error initializing rekey', client.request('PUT', path, body));
  if (output.format === 'table') {
    if (!keys) {
      output.warn(
        'WARNING! If you lose the keys after they are returned, there is no recovery.\n' +
          'Consider canceling this operation and starting again with the -pgp-keys flag,\n' +
          'which protects the returned keys, and -backup, which lets the server keep them.\n',
      );
    } else if (!given.backup) {
      output.warn(
        'WARNING! Consider -backup: without it nobody keeps the new keys but those who get them.\n',
      );
    }
  }
  return printStatus(context, reply.data ?? reply.body);
}

interface Stage extends Endpoint {
  readonly status: UnknownRecord;
}

async function provide(context: RekeyContext, client: Client, stage: Stage): Promise<number> {
  const { operation, status } = stage;
  const { verify } = context.flags;
  if (status.started !== true) {
    const what = verify ? 'No rekey verification is in progress.' : 'No rekey is in progress.';
    throw new LocalError(`${what} Start one with "coffer ${stage.command} -init".`);
  }
  const nonce = nonceFor(context, status);
  const name = context.flags.target === 'barrier' ? 'Unseal Key' : 'Recovery Key';
  const key = await readKeyShare(
    context,
    context.arguments[0],
    `Rekey operation nonce: ${nonce}\n${name} (will be hidden): `,
  );
  const path = `${operation}/${verify ? 'verify' : 'update'}`;
  const reply = await attempt('Error posting unseal key', client.request('PUT', path, { key, nonce }));
  const answer = reply.data ?? reply.body;
  if (answer.complete !== true) {
    // A share that is not the last is answered with nothing new by some servers.
    const now = await attempt(
      'Error getting rekey status',
      client.request('GET', `${operation}/${verify ? 'verify' : 'init'}`),
    );
    return printStatus(context, now.data ?? now.body);
  }
  if (verify) {
    context.output.data(answer, () => 'Success! The new keys have been verified and hold from now on.');
    return 0;
  }
  const kind = context.flags.target === 'barrier' ? 'unseal' : 'recovery';
  context.output.data(answer, () => newKeys(answer, stage, kind));
  return 0;
}

function printStatus({ output, flags: given }: RekeyContext, status: UnknownRecord): number {
  const required = status.required ?? status.t;
  const rows: (Row | undefined)[] = [
    ['Nonce', plainText(status.nonce ?? '')],
    ['Started', plainText(status.started)],
    status.started
      ? [
          given.verify && !given.init ? 'Verify Progress' : 'Rekey Progress',
          `${plainText(status.progress)}/${plainText(required)}`,
        ]
      : undefined,
    status.started ? ['New Shares', plainText(status.n)] : undefined,
    status.started ? ['New Threshold', plainText(status.t)] : undefined,
    status.verification_required === undefined
      ? undefined
      : ['Verification Required', plainText(status.verification_required)],
    status.verification_nonce ? ['Verification Nonce', plainText(status.verification_nonce)] : undefined,
    Array.isArray(status.pgp_fingerprints) && status.pgp_fingerprints.length > 0
      ? ['PGP Fingerprints', plainText(status.pgp_fingerprints)]
      : undefined,
    Array.isArray(status.pgp_fingerprints) && status.pgp_fingerprints.length > 0
      ? ['Backup', plainText(status.backup)]
      : undefined,
  ];
  output.data(status, () => keyValueTable(rows.filter((row) => row !== undefined)));
  return 0;
}

function newKeys(answer: UnknownRecord, { status, command }: Stage, kind: string): string {
  if (answer.keys === null) return 'Success! Replaced the root key. The recovery keys stay as they are.';
  const prints = stringsOf(answer.pgp_fingerprints);
  const keys = stringsOf(answer.keys_base64).map((key, at) => {
    return prints[at] ? `Key ${at + 1} fingerprint: ${prints[at]}; value: ${key}` : `Key ${at + 1}: ${key}`;
  });
  const shares = `${keys.length} key shares and a key threshold of ${plainText(status.t)}`;
  const ending =
    answer.verification_required === true
      ? `Verification nonce: ${plainText(answer.verification_nonce)}\n\nThe new keys, ${shares}, do not hold yet: each holder must give back a share with\n\n    coffer ${command} -verify\n\nUntil that is done the old keys hold.`
      : `The ${kind} keys are new, with ${shares}. Give them to different people: the old ones are of no use from now on.`;
  return `${keys.join('\n')}\n\nOperation nonce: ${plainText(answer.nonce)}\n\n${fill(ending, 78)}`;
}

async function printBackup({ output }: RekeyContext, client: Client, path: string): Promise<number> {
  const reply = await attempt('Error retrieving rekey stored keys', client.find('GET', path));
  if (!reply) throw new RemoteError('No keys are stored');
  const answer = reply.data ?? reply.body;
  const keys = isRecord(answer.keys_base64) ? answer.keys_base64 : isRecord(answer.keys) ? answer.keys : {};
  const rows = sortedEntries(keys).map(([print, values]): Row => [print, stringsOf(values).join(' ')]);
  output.data(answer, () => keyValueTable([['nonce', plainText(answer.nonce)], ...rows]));
  return 0;
}

async function deleteBackup({ output }: RekeyContext, client: Client, path: string): Promise<number> {
  await attempt('Error deleting rekey stored keys', client.request('DELETE', path));
  output.line('Success! Delete stored keys (if they existed)');
  return 0;
}
