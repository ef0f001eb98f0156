import type { EngineType } from '../../engine/engine.ts';
import { lowerCase } from '../../engine/fields.ts';
import type { SystemParts } from '../parts.ts';
import { createPaths } from './create.ts';
import { lookupPaths } from './lookup.ts';
import { renewPaths } from './renew.ts';
import { revokePaths } from './revoke.ts';
import { rolePaths } from './roles.ts';

/** `auth/token/`: tokens made from tokens. Written as an engine, but the host's own: it is handed the token domain. */
export function tokenEngine(parts: SystemParts): EngineType {
  /** One for all namespaces: handlers go by the request's. */
  const paths = [
    ...createPaths(parts),
    ...lookupPaths(parts),
    ...renewPaths(parts),
    ...revokePaths(parts),
    ...rolePaths(parts),
  ];
  return {
    type: 'token',
    class: 'auth',
    summary: 'Makes, shows, renews and revokes tokens.',
    host: true,
    singleton: true,
    open: () => ({ canonicalAliasName: lowerCase, paths }),
  };
}
