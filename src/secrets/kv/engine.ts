/**
 * The key/value engine: what people put in comes out as it was. Version 1 keeps one value per path; version 2 keeps
 * versions with metadata. Owns the records of one mount and the change from version 1 to 2; who may see what is the
 * host's business, except that recursive lists and search ask it name by name.
 */
import { InvalidRequest } from '../../base/errors.ts';
import type { Engine, EnginePath, EngineType } from '../../engine/engine.ts';
import { configPath } from './config.ts';
import { dataPath, recoverVersioned } from './data.ts';
import { detailedMetadataPath, metadataPath } from './metadata.ts';
import { plainPath, recoverPlain } from './plain.ts';
import { METADATA } from './records.ts';
import { searchPath } from './search.ts';
import { subkeysPath } from './subkeys.ts';
import { Upgrade } from './upgrade.ts';
import { deletePath, destroyPath, undeletePath } from './versions.ts';
import { wrongPath } from './wrong-path.ts';

export const kv: EngineType = {
  type: 'kv',
  class: 'secret',
  wakes: false,
  summary: 'Keeps secrets that you write, with versions if you like.',
  aliases: new Map<string, Record<string, string>>([
    ['kv-v1', { version: '1' }],
    ['kv-v2', { version: '2' }],
    ['generic', { version: '1' }],
  ]),
  checkOptions(options, before) {
    const version = options.version ?? '1';
    if (version !== '1' && version !== '2') {
      throw new InvalidRequest(
        `unsupported version ${JSON.stringify(version)}: a kv mount has version 1 or 2`,
      );
    }
    if (before?.version === '2' && version !== '2') {
      throw new InvalidRequest('a kv mount of version 2 cannot go back to version 1');
    }
  },
  open: ({ mount }) => (mount.options.version === '2' ? openVersioned() : openPlain()),
};

/** The paths of version 2; exported for the document of the API. */
export const versionedPaths: readonly EnginePath[] = [
  configPath,
  dataPath,
  deletePath,
  undeletePath,
  destroyPath,
  metadataPath,
  detailedMetadataPath,
  subkeysPath,
  searchPath,
  wrongPath,
];

function openPlain(): Engine {
  return { paths: [plainPath], recover: recoverPlain, kept: (view) => view.keys('') };
}

function openVersioned(): Engine {
  const upgrade = new Upgrade();
  return {
    paths: versionedPaths.map((path) => upgrade.guard(path)),
    periodic: [{ name: 'upgrade', everySeconds: 1, run: (context) => upgrade.run(context) }],
    changed: () => upgrade.forget(),
    recover: recoverVersioned,
    kept: (view) => view.keys(METADATA),
  };
}
