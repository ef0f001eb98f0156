import type { UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt } from '../errors.ts';
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

export const rotate = command({
  name: 'operator rotate',
  synopsis: 'Rotates the underlying encryption key',
  usage: 'operator rotate [options]',
  description: `
Makes a new encryption key. New data is encrypted with it; older keys stay to read older data.

    $ coffer operator rotate`,
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    await attempt('Error rotating key', connected.request('PUT', 'sys/rotate'));
    const reply = await attempt('Error reading key status', connected.request('GET', 'sys/key-status'));
    const status = reply.data ?? reply.body;
    output.success('Success! Rotated key\n');
    output.data(status, () => keyTable(status));
    return 0;
  },
});

function keyTable(status: UnknownRecord): string {
  const rows: Row[] = [
    ['Key Term', plainText(status.term)],
    ['Install Time', plainText(status.install_time)],
    ['Encryption Count', plainText(status.encryptions ?? 0)],
  ];
  return alignRows(rows);
}
