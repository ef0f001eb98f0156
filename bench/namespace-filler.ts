/**
 * Fills a node's store with namespaces, straight through the domains, as a process of its own beside no other:
 * `node bench/namespace-filler.ts CONFIG NAMESPACES MOUNTS`. Each has so many mounts, of KV and AppRole, beside the host's own.
 */
import { openFilled } from './filling.ts';

const BATCH = 100;
const KV = { class: 'secret', type: 'kv', options: { version: '2' } } as const;

const [configFile = '', namespaces = '', mounts = ''] = process.argv.slice(2);
const server = await openFilled(configFile);
try {
  const domains = server.domains()!;
  const root = domains.namespaces.below({ id: 'root' }, '')!;
  let committed: Promise<void> | undefined;
  for (let made = 0; made < Number(namespaces); ) {
    const session = domains.openSession();
    const end = Math.min(made + BATCH, Number(namespaces));
    const fresh = [];
    for (; made < end; made++) {
      fresh.push(domains.namespaces.create(session, root, { name: `team-${made}`, customMetadata: {} }));
    }
    session.apply();
    for (const namespace of fresh) {
      domains.policies.initialize(session, namespace.id);
      for (let i = 0; i < Number(mounts); i++) {
        const kind = i % 5 === 4 ? ({ class: 'auth', type: 'approle' } as const) : KV;
        domains.mounts.enable(session, { namespace, path: `${kind.type}-${i}`, ...kind });
      }
      domains.mounts.dropTable(namespace.id);
    }
    session.apply();
    await committed;
    committed = session.settled();
    if (made % (Number(namespaces) / 10) === 0) console.error(`  ${made} of ${namespaces} namespaces`);
  }
  await committed;
} finally {
  await server.stop();
}
