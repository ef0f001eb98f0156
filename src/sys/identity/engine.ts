/**
 * `identity/`: who somebody is across auth methods. Written as an engine, one file per group of paths, but the host's own:
 * it is handed the identity domain.
 */
import type { EngineType } from '../../engine/engine.ts';
import type { SystemParts } from '../parts.ts';
import { entityPaths } from './entity.ts';
import { entityAliasPaths } from './entity-alias.ts';
import { groupPaths } from './group.ts';
import { groupAliasPaths } from './group-alias.ts';
import { lookupPaths } from './lookup.ts';

export function identityEngine(parts: SystemParts): EngineType {
  return {
    type: 'identity',
    class: 'system',
    summary: 'Entities, their aliases at auth methods, and groups of them.',
    host: true,
    singleton: true,
    open: () => ({
      paths: [
        ...entityPaths(parts),
        ...entityAliasPaths(parts),
        ...groupPaths(parts),
        ...groupAliasPaths(parts),
        ...lookupPaths(parts),
      ],
    }),
  };
}
