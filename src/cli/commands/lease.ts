import { type Command, command, group } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import { apiDuration, boolean, duration } from '../flags.ts';
import { cleanPath } from '../input.ts';
import { top } from './lease-top.ts';

const lookup = command({
  name: 'lease lookup',
  synopsis: 'Lookup the lease of a secret',
  usage: 'lease lookup [options] ID',
  description: `
Shows what is known about a lease.

    $ coffer lease lookup database/creds/readonly/2f6a614c...`,
  uses: ['http', 'format', 'field'],
  flags: {},
  arguments: { min: 1, max: 1 },
  async run({ client, arguments: words, output }) {
    const connected = await client();
    const lease_id = words[0]!.trim();
    const request = connected.request('PUT', 'sys/leases/lookup', { lease_id });
    output.reply(await attempt(`error looking up lease id ${lease_id}`, request));
    return 0;
  },
});

const renew: Command = command({
  name: 'lease renew',
  synopsis: 'Renew the lease of a secret',
  usage: 'lease renew [options] ID',
  description: `
Prolongs a lease, and with it the secret.

    $ coffer lease renew database/creds/readonly/2f6a614c...
    $ coffer lease renew -increment=1h database/creds/readonly/2f6a614c...`,
  uses: ['http', 'format', 'field'],
  flags: {
    increment: duration({ usage: 'How long to prolong it for; the server may give less.', aliases: ['i'] }),
  },
  arguments: { min: 1, max: 1 },
  async run({ client, arguments: words, flags, output }) {
    const connected = await client();
    const lease_id = words[0]!.trim();
    const increment = flags.increment === undefined ? undefined : apiDuration(flags.increment);
    const request = connected.request('PUT', 'sys/leases/renew', { lease_id, increment });
    output.reply(await attempt(`Error renewing ${lease_id}`, request));
    return 0;
  },
});

const revoke = command({
  name: 'lease revoke',
  synopsis: 'Revokes leases and secrets',
  usage: 'lease revoke [options] ID',
  description: `
Ends a lease, or with -prefix all whose identifiers begin so, and with it the secret.

    $ coffer lease revoke database/creds/readonly/2f6a614c...
    $ coffer lease revoke -prefix database/creds/readonly`,
  uses: ['http'],
  flags: {
    force: boolean({
      usage: 'Forget the leases even if their secrets cannot be ended, which then live on. Needs -prefix.',
      aliases: ['f'],
    }),
    prefix: boolean({ usage: 'Treat the argument as the beginning of identifiers.' }),
    sync: boolean({ usage: 'Wait until it is done, instead of queueing it.' }),
  },
  arguments: { min: 1, max: 1 },
  async run(context) {
    const { flags, arguments: words, output } = context;
    if (flags.force && !flags.prefix)
      throw new UsageError('Specifying -force requires also specifying -prefix');
    const client = await context.client();
    const id = cleanPath(words[0]!);
    if (!flags.prefix) {
      const request = client.request('PUT', 'sys/leases/revoke', { lease_id: id, sync: flags.sync });
      await attempt(`Error revoking lease ${id}`, request);
      output.line(
        flags.sync ? `Success! Revoked lease: ${id}` : 'All revocation operations queued successfully!',
      );
      return 0;
    }
    if (flags.force) {
      output.warn(
        'Warning! Force-removing leases can cause the server to become out of sync with secret engines!\n',
      );
    }
    const endpoint = flags.force ? 'revoke-force' : 'revoke-prefix';
    const body = flags.force ? undefined : { sync: flags.sync };
    const { withLeaseProgress } = await import('../lease-progress.ts');
    const request = () => client.request('PUT', `sys/leases/${endpoint}/${id}`, body);
    await attempt(`Error revoking leases with prefix ${id}`, withLeaseProgress(context, id, request));
    if (flags.force) output.line(`Success! Force revoked any leases with prefix: ${id}`);
    else if (flags.sync) output.line(`Success! Revoked any leases with prefix: ${id}`);
    else output.line('All revocation operations queued successfully!');
    return 0;
  },
});

export const lease = group(
  {
    name: 'lease',
    description: `
Shows, prolongs and ends leases.

    $ coffer lease revoke database/creds/readonly/2f6a614c...`,
  },
  [lookup, renew, revoke, top],
);
