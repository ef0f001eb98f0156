import type { Entry, Group } from '../command.ts';

const later = (synopsis: string, load: Entry['load']): Entry => ({ synopsis, load });

/** Each command has its file: an operator runs one of them at a time, and some are long. */
export const operator: Group = {
  name: 'operator',
  description: `
Commands for those who run the server: initialise, seal and unseal it, rotate its keys.

    $ coffer operator init
    $ coffer operator unseal`,
  subcommands: new Map([
    [
      'diagnose',
      later(
        'Checks a configuration before a server starts with it',
        async () => (await import('./server.ts')).diagnose,
      ),
    ],
    [
      'generate-root',
      later(
        'Generates a new root token',
        async () => (await import('./operator-generate-root.ts')).generateRoot,
      ),
    ],
    ['init', later('Initializes a server', async () => (await import('./operator-init.ts')).init)],
    [
      'key-status',
      later(
        'Provides information about the active encryption key',
        async () => (await import('./operator-keys.ts')).keyStatus,
      ),
    ],
    [
      'members',
      later('Returns the nodes of the cluster', async () => (await import('./operator-cluster.ts')).members),
    ],
    [
      'raft',
      later(
        'Snapshots by the names that Vault has',
        async () => (await import('./operator-snapshot.ts')).raft,
      ),
    ],
    ['rekey', later('Generates new unseal keys', async () => (await import('./operator-rekey.ts')).rekey)],
    [
      'rotate',
      later('Rotates the underlying encryption key', async () => (await import('./operator-keys.ts')).rotate),
    ],
    [
      'rotate-keys',
      later(
        'Generates new unseal keys, with a token that may',
        async () => (await import('./operator-rekey.ts')).rotateKeys,
      ),
    ],
    [
      'seal',
      later(
        'Seals the server, or with "status" shows which seals work',
        async () => (await import('./operator-seal.ts')).seal,
      ),
    ],
    [
      'snapshot',
      later(
        'Saves, verifies and restores everything',
        async () => (await import('./operator-snapshot.ts')).snapshot,
      ),
    ],
    [
      'step-down',
      later('Forces the active node to hand over', async () => (await import('./operator-seal.ts')).stepDown),
    ],
    ['unseal', later('Unseals the server', async () => (await import('./operator-seal.ts')).unseal)],
    [
      'usage',
      later('Lists historical client counts', async () => (await import('./operator-cluster.ts')).usage),
    ],
  ]),
};
