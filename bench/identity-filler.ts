/**
 * Entities as first logins by AppRole make them: `node bench/identity-filler.ts CONFIG ENTITIES`, as a process of its own
 * beside no other.
 */
import { fillStore } from './filling.ts';

const [configFile = '', entities = ''] = process.argv.slice(2);
await fillStore(configFile, { what: 'entities', count: Number(entities) }, (domains, session, n) => {
  const mount = domains.mounts.root.get('auth/approle/');
  if (!mount) throw new Error('nothing is mounted at auth/approle/');
  const aliasMetadata = { role_name: `filled-${n}` };
  domains.identity.login(session, mount, { aliasName: `filled-${n}`, aliasMetadata });
});
