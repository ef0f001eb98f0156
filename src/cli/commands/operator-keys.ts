import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { boolean, string } from '../flags.ts';
import { alignRows, type Row } from '../output/table.ts';
import { plainText } from '../output/value.ts';

export const keyStatus = command({
  name: 'operator key-status',
  synopsis: 'Provides information about the active encryption key',
  usage: 'operator key-status [options]',
  description:
    'Shows which encryption key is in use, since when, and for how much.\n\n    $ coffer operator key-status',
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    const reply = await attempt('Error reading key status', connected.request('GET', 'sys/key-status'));
    const status = reply.data ?? reply.body;
    output.data(status, () => keyTable(status));
    return 0;
  },
});

const rotateFlags = {
  status: boolean({ usage: 'Only print how far bringing older records under the newest key is.' }),
  reencrypt: boolean({ usage: 'Only bring older records under the newest key, without making another one.' }),
  cancel: boolean({ usage: 'Only stop bringing older records under the newest key.' }),
  retire: boolean({ usage: 'Only remove older keys that no record needs any more.' }),
  'older-than': string({
    usage:
      'With -retire: how long ago a key must have been replaced; as long as a token may live unless given.',
  }),
};

export const rotate = command({
  name: 'operator rotate',
  synopsis: 'Rotates the underlying encryption key',
  usage: 'operator rotate [options]',
  description: `
Makes a new encryption key. New data is encrypted with it; older records are brought under it in the background, and older keys stay until they are retired.

    $ coffer operator rotate
    $ coffer operator rotate -status
    $ coffer operator rotate -retire`,
  uses: ['http', 'format'],
  flags: rotateFlags,
  arguments: { min: 0, max: 0 },
  async run({ client, output, flags: given }) {
    const modes = [given.status, given.reencrypt, given.cancel, given.retire];
    if (modes.filter(Boolean).length > 1)
      throw new UsageError('-status, -reencrypt, -cancel and -retire cannot be used together');
    if (given['older-than'] !== undefined && !given.retire)
      throw new UsageError('-older-than belongs to -retire');
    const connected = await client();
    if (given.retire) {
      const body = given['older-than'] === undefined ? {} : { older_than: given['older-than'] };
      const reply = await attempt('Error retiring keys', connected.request('PUT', RETIRE, body));
      const answer = reply.data ?? reply.body;
      output.data(answer, () => `Success! Retired the keys of term ${plainText(answer.terms)}`);
      return 0;
    }
    if (given.cancel) {
      await attempt('Error stopping re-encryption', connected.request('DELETE', REENCRYPTION));
      output.success('Success! Stopped re-encryption (if it was under way)');
      return 0;
    }
    if (given.status || given.reencrypt) {
      const request = connected.request(given.status ? 'GET' : 'PUT', REENCRYPTION);
      const reply = await attempt('Error reading the progress of re-encryption', request);
      const answer = reply.data ?? reply.body;
      output.data(answer, () => alignRows(reencryptionRows(answer)));
      return 0;
    }
    await attempt('Error rotating key', connected.request('PUT', 'sys/rotate'));
    const reply = await attempt('Error reading key status', connected.request('GET', 'sys/key-status'));
    const status = reply.data ?? reply.body;
    output.success('Success! Rotated key\n');
    output.data(status, () => keyTable(status));
    return 0;
  },
});

const REENCRYPTION = 'sys/rotate/keyring/reencryption';
const RETIRE = 'sys/rotate/keyring/retire';

function keyTable(status: UnknownRecord): string {
  const rows: Row[] = [
    ['Key Term', plainText(status.term)],
    ['Install Time', plainText(status.install_time)],
    ['Encryption Count', plainText(status.encryptions ?? 0)],
  ];
  // Only Coffer tells of these.
  if (Array.isArray(status.keys)) rows.push(['Older Keys', String(status.keys.length - 1)]);
  if (isRecord(status.reencryption) && status.reencryption.state !== 'idle')
    rows.push(...reencryptionRows(status.reencryption));
  return alignRows(rows);
}

function reencryptionRows(status: UnknownRecord): Row[] {
  const { state, examined, records, rewritten, damaged, finished_at: finishedAt } = status;
  const rows: Row[] = [['Re-encryption', plainText(state)]];
  if (state === 'idle') return rows;
  if (state !== 'complete')
    rows.push(['Records Examined', `${plainText(examined)} of about ${plainText(records)}`]);
  rows.push(['Records Rewritten', plainText(rewritten)]);
  if (damaged !== 0) rows.push(['Damaged Records', plainText(damaged)]);
  if (finishedAt) rows.push(['Finished', plainText(finishedAt)]);
  return rows;
}
