import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { boolean } from '../flags.ts';
import { readKeyShare } from '../key-shares.ts';
import type { Output } from '../output/output.ts';
import { keyValueTable, tableOf } from '../output/table.ts';
import { plainText } from '../output/value.ts';
import { printSealStatus } from './status.ts';

export const unseal = command({
  name: 'operator unseal',
  synopsis: 'Unseals the server',
  usage: 'operator unseal [options] [KEY]',
  description: `
Gives the server one share of its unseal key; after as many as its threshold it is unsealed. Without an argument the share is asked for and not shown; as an argument it would stay in the shell's history.

    $ coffer operator unseal`,
  uses: ['http', 'format'],
  flags: {
    reset: boolean({ usage: 'Forget the shares that were given so far.' }),
    migrate: boolean({ usage: 'Give the share for the migration to another seal.' }),
  },
  arguments: { min: 0, max: 1 },
  async run(context) {
    const { flags, arguments: words, output } = context;
    const client = await context.client();
    if (flags.reset) {
      const reply = await attempt(
        'Error resetting unseal process',
        client.request('PUT', 'sys/unseal', { reset: true }),
      );
      printSealStatus(output, reply.body);
      return 0;
    }
    const key = await readKeyShare(context, words[0], 'Unseal Key (will be hidden): ');
    if (key === '') throw new UsageError('no key share was given');
    const body = { key, migrate: flags.migrate };
    const reply = await attempt('Error unsealing', client.request('PUT', 'sys/unseal', body));
    printSealStatus(output, reply.body);
    return 0;
  },
});

export const seal = command({
  name: 'operator seal',
  synopsis: 'Seals the server, or with "status" shows which seals work',
  usage: 'operator seal [options] [status]',
  description: `
Makes the server forget its keys. It answers nothing until it is unsealed again, on this node and, in a cluster, until another node is active.

    $ coffer operator seal

With the word "status" it seals nothing: it shows which of the automatic seals could unseal the server now, of a sealed server too. The exit code is 0 when all of them work, 2 when one does not.

    $ coffer operator seal status`,
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 1 },
  async run({ client, output, arguments: [word] }) {
    if (word !== undefined && word !== 'status')
      throw new UsageError(`unknown argument "${word}": nothing was sealed`);
    const connected = await client();
    if (word === 'status') {
      const { body } = await attempt(
        'Error reading the status of the seals',
        connected.request('GET', 'sys/seal-backend-status'),
      );
      printBackends(output, body);
      return body.healthy === true ? 0 : 2;
    }
    await attempt('Error sealing', connected.request('PUT', 'sys/seal'));
    output.line('Success! Vault is sealed.');
    return 0;
  },
});

function printBackends(output: Output, status: UnknownRecord): void {
  const backends = Array.isArray(status.backends) ? status.backends.filter(isRecord) : [];
  const text = (value: unknown) => (value === undefined ? '' : plainText(value));
  const rows = backends.map(({ name, type, healthy, disabled, unhealthy_since, error }) => [
    text(name),
    text(type),
    text(healthy) + (disabled === true ? ' (disabled)' : ''),
    text(unhealthy_since),
    text(error),
  ]);
  output.data(status, () =>
    [
      tableOf(['Seal', 'Type', 'Works', 'Not Since', 'Why Not'], rows),
      '',
      keyValueTable([
        ['Holds The Root Key', status.fully_wrapped === true ? 'every seal' : 'not every seal'],
        ['Recovery Keys', text(status.recovery_keys)],
      ]),
    ].join('\n'),
  );
  if (typeof status.warning === 'string') output.warn(`WARNING! ${status.warning}`);
}

export const stepDown = command({
  name: 'operator step-down',
  synopsis: 'Forces the active node to hand over',
  usage: 'operator step-down [options]',
  description: `
Makes the active node hand over to another. If no other takes over, the same may become active again.

    $ coffer operator step-down`,
  uses: ['http'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    await attempt('Error stepping down', connected.request('PUT', 'sys/step-down'));
    output.line(`Success! Stepped down: ${connected.address}`);
    return 0;
  },
});
