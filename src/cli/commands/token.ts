import type { Client } from '../../client/client.ts';
import type { Reply } from '../../client/reply.ts';
import { command, group } from '../command.ts';
import { attempt, UsageError } from '../errors.ts';
import {
  apiDuration,
  boolean,
  booleanOr,
  duration,
  integerOr,
  pairs,
  string,
  stringOr,
  strings,
} from '../flags.ts';
import { capabilities } from './token-capabilities.ts';

const createFlags = {
  id: string({ usage: 'Value of the token. Without it one is made. This needs sudo.' }),
  'display-name': string({ usage: 'Name for people to recognise the token by; not secret.' }),
  ttl: duration({ usage: 'How long the token lives without renewal.' }),
  'explicit-max-ttl': duration({ usage: 'How long the token lives at most, whatever renews it.' }),
  period: duration({ usage: 'Each renewal lasts this long, without end. This needs sudo.' }),
  renewable: booleanOr(true, { usage: 'Let the token be renewed up to its maximum.' }),
  orphan: boolean({
    usage: 'Make a token without a parent, which outlives the one that makes it. This needs sudo.',
  }),
  'no-default-policy': boolean({ usage: 'Leave out the policy "default".' }),
  'use-limit': integerOr(0, { usage: 'How many times the token can be used; 0 is without limit.' }),
  role: string({ usage: 'Role to make the token with; it may override other flags.' }),
  policy: strings({
    usage: 'Policy of the token; may be given several times. Without it those of the parent hold.',
  }),
  metadata: pairs({ usage: 'Pair for the audit log; may be given several times.' }),
  type: stringOr('service', { usage: 'Kind of token.', values: ['service', 'batch'] }),
  'entity-alias': string({ usage: 'Alias of the entity to link the token to; only with -role.' }),
};

const create = command({
  name: 'token create',
  synopsis: 'Create a new token',
  usage: 'token create [options]',
  description: `
Creates a token that is a child of the present one, with all or some of its policies.

    $ coffer token create -policy=my-policy -policy=other-policy
    $ coffer token create -period=30m`,
  uses: ['http', 'format', 'field'],
  flags: createFlags,
  arguments: { min: 0, max: 0 },
  async run({ client, flags, given, output }) {
    const time = (name: 'ttl' | 'explicit-max-ttl' | 'period') =>
      flags[name] === undefined ? undefined : apiDuration(flags[name]);
    const body = {
      id: flags.id,
      policies: given.has('policy') ? flags.policy : undefined,
      meta: given.has('metadata') ? flags.metadata : undefined,
      ttl: time('ttl'),
      explicit_max_ttl: time('explicit-max-ttl'),
      period: time('period'),
      no_parent: flags.orphan || undefined,
      no_default_policy: flags['no-default-policy'] || undefined,
      display_name: flags['display-name'],
      num_uses: flags['use-limit'],
      renewable: flags.renewable,
      type: flags.type,
      entity_alias: flags['entity-alias'],
    };
    const route = flags.role ? `create/${flags.role}` : flags.orphan ? 'create-orphan' : 'create';
    const connected = await client();
    output.reply(
      await attempt('Error creating token', connected.request('POST', `auth/token/${route}`, body)),
    );
    return 0;
  },
});

const byAccessor = {
  accessor: boolean({ usage: 'Treat the argument as an accessor instead of a token.' }),
};

const lookup = command({
  name: 'token lookup',
  synopsis: 'Display information about a token',
  usage: 'token lookup [options] [TOKEN | ACCESSOR]',
  description: `
Shows what is known of a token; without an argument, of the present one.

    $ coffer token lookup
    $ coffer token lookup -accessor 9793c9b3-e04a-46f3-e7b8-748d7da248da`,
  uses: ['http', 'format', 'field'],
  flags: byAccessor,
  arguments: { min: 0, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const connected = await client();
    output.reply(
      await attempt('Error looking up token', aboutToken(connected, 'lookup', words[0], flags.accessor)),
    );
    return 0;
  },
});

const renew = command({
  name: 'token renew',
  synopsis: 'Renew a token lease',
  usage: 'token renew [options] [TOKEN | ACCESSOR]',
  description: `
Prolongs the life of a token; without an argument, of the present one.

    $ coffer token renew
    $ coffer token renew -increment=30m 96ddf4bc-d217-f3ba-f9bd-017055595017`,
  uses: ['http', 'format', 'field'],
  flags: {
    ...byAccessor,
    increment: duration({ usage: 'How long to prolong it for; the server may give less.', aliases: ['i'] }),
  },
  arguments: { min: 0, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const connected = await client();
    const extra = flags.increment === undefined ? {} : { increment: apiDuration(flags.increment) };
    const reply = aboutToken(connected, 'renew', words[0], flags.accessor, extra);
    output.reply(await attempt('Error renewing token', reply));
    return 0;
  },
});

const revoke = command({
  name: 'token revoke',
  synopsis: 'Revoke a token and its children',
  usage: 'token revoke [options] [TOKEN | ACCESSOR]',
  description: `
Ends a token, its children, and all leases that were made with them.

    $ coffer token revoke 96ddf4bc-d217-f3ba-f9bd-017055595017
    $ coffer token revoke -mode=orphan 96ddf4bc-d217-f3ba-f9bd-017055595017
    $ coffer token revoke -accessor 9793c9b3-e04a-46f3-e7b8-748d7da248da
    $ coffer token revoke -self`,
  uses: ['http'],
  flags: {
    ...byAccessor,
    self: boolean({ usage: 'End the present token.' }),
    mode: string({
      usage:
        '"orphan" leaves the children, without a parent; "path" ends what was made at a path of an auth method.',
      values: ['orphan', 'path'],
    }),
  },
  arguments: { min: 0, max: 1 },
  async run({ client, flags, arguments: words, output }) {
    const { self, accessor, mode } = flags;
    const token = words[0];
    if (self === (token !== undefined)) throw new UsageError('Must supply a token, or -self and no token');
    if (mode !== undefined && mode !== 'orphan' && mode !== 'path')
      throw new UsageError(`Invalid mode: ${mode}`);
    if (mode && (accessor || self)) throw new UsageError('-mode cannot be used with -accessor or -self');
    const connected = await client();
    const request = self
      ? connected.request('PUT', 'auth/token/revoke-self')
      : mode === 'path'
        ? connected.request('PUT', `sys/leases/revoke-prefix/${token}`)
        : aboutToken(connected, mode === 'orphan' ? 'revoke-orphan' : 'revoke', token, accessor);
    await attempt('Error revoking token', request);
    output.line('Success! Revoked token (if it existed)');
    return 0;
  },
});

export const token = group(
  {
    name: 'token',
    description: `
Makes, shows, renews and ends tokens.

    $ coffer token create
    $ coffer token revoke 96ddf4bc-d217-f3ba-f9bd-017055595017`,
  },
  [capabilities, create, lookup, renew, revoke],
);

/** One of the endpoints that exist for the present token, for another one, and by accessor. */
function aboutToken(
  client: Client,
  verb: string,
  subject: string | undefined,
  isAccessor: boolean,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<Reply> {
  if (isAccessor) {
    if (subject === undefined) throw new UsageError('-accessor needs an accessor as argument');
    return client.request('POST', `auth/token/${verb}-accessor`, { accessor: subject, ...extra });
  }
  if (subject !== undefined)
    return client.request('POST', `auth/token/${verb}`, { token: subject.trim(), ...extra });
  if (verb === 'lookup') return client.request('GET', 'auth/token/lookup-self');
  return client.request('POST', `auth/token/${verb}-self`, extra);
}
