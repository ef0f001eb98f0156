import { writeFileSync } from 'node:fs';
import { stringsOf } from '../../client/reply.ts';
import { command, type Group, group } from '../command.ts';
import { attempt, LocalError, RemoteError } from '../errors.ts';
import { readText } from '../input.ts';
import { printWarnings } from '../output/output.ts';

const list = command({
  name: 'policy list',
  synopsis: 'Lists the installed policies',
  usage: 'policy list [options]',
  description: 'Lists the names of the installed policies.\n\n    $ coffer policy list',
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    const reply = await attempt('Error listing policies', connected.request('LIST', 'sys/policies/acl'));
    const names = stringsOf(reply.data?.keys);
    output.data(names, () => names.join('\n'));
    return 0;
  },
});

const read = command({
  name: 'policy read',
  synopsis: 'Prints the contents of a policy',
  usage: 'policy read [options] NAME',
  description: 'Prints the text of a policy.\n\n    $ coffer policy read my-policy',
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'policies',
  async run({ client, arguments: words, output }) {
    const name = policyName(words[0]!);
    const connected = await client();
    const request = connected.find('GET', `sys/policies/acl/${name}`);
    const reply = await attempt(`Error reading policy named ${name}`, request);
    const text = reply?.data?.policy;
    if (typeof text !== 'string') throw new RemoteError(`No policy named: ${name}`);
    output.data({ policy: text }, () => text.trim());
    return 0;
  },
});

const write = command({
  name: 'policy write',
  synopsis: 'Uploads a named policy from a file',
  usage: 'policy write [options] NAME PATH',
  description: `
Uploads the policy in a file, or with "-" the one on standard input.

    $ coffer policy write my-policy ./my-policy.hcl
    $ cat my-policy.hcl | coffer policy write my-policy -`,
  uses: ['http'],
  flags: {},
  arguments: { min: 2, max: 2 },
  completes: 'policies',
  async run({ client, arguments: words, output, terminal }) {
    const name = policyName(words[0]!);
    const path = words[1]!.trim();
    const policy = path === '-' ? (await terminal.readInput()).toString('utf8') : readText(path);
    const connected = await client();
    const request = connected.request('PUT', `sys/policies/acl/${name}`, { policy });
    const reply = await attempt('Error uploading policy', request);
    printWarnings(output, reply.warnings);
    output.line(`Success! Uploaded policy: ${name}`);
    return 0;
  },
});

const remove = command({
  name: 'policy delete',
  synopsis: 'Deletes a policy by name',
  usage: 'policy delete [options] NAME',
  description: `
Deletes a policy. Tokens that have it lose what it allowed, at once.

    $ coffer policy delete my-policy`,
  uses: ['http'],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'policies',
  async run({ client, arguments: words, output }) {
    const name = policyName(words[0]!);
    const connected = await client();
    await attempt(`Error deleting ${name}`, connected.request('DELETE', `sys/policies/acl/${name}`));
    output.line(`Success! Deleted policy: ${name}`);
    return 0;
  },
});

const format = command({
  name: 'policy fmt',
  synopsis: 'Formats a policy on disk',
  usage: 'policy fmt PATH',
  description: `
Formats a policy in a file of this machine, which is written over.

    $ coffer policy fmt my-policy.hcl`,
  uses: [],
  flags: {},
  arguments: { min: 1, max: 1 },
  completes: 'files',
  async run({ arguments: words, output }) {
    const path = words[0]!;
    const { formatHcl } = await import('../format-hcl.ts');
    const result = formatHcl(readText(path));
    if ('problem' in result)
      throw new LocalError(`Error parsing ${path}: line ${result.line}: ${result.problem}`);
    writeFileSync(path, result.text);
    output.line(`Success! Formatted policy: ${path}`);
    return 0;
  },
});

const core = group({ name: 'policy', description: '' }, [remove, format, list, read, write]);

export const policy: Group = {
  name: 'policy',
  description: `
Writes, shows, explains and deletes policies, which say who may do what.

    $ coffer policy list
    $ coffer policy write my-policy ./my-policy.hcl
    $ coffer policy explain secret/data/foo`,
  subcommands: new Map([
    ...core.subcommands,
    [
      'explain',
      {
        synopsis: 'Tells why a request would be allowed or denied',
        load: async () => (await import('./policy-explain.ts')).explain,
      },
    ],
  ]),
};

/** Policies are named without regard to case. */
function policyName(text: string): string {
  return text.trim().toLowerCase();
}
