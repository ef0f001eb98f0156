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
import { mfaLoginPaths, mfaUpkeep } from './mfa-login.ts';
import { mfaMethodPaths } from './mfa-method.ts';
import { oidcClientPaths } from './oidc-client.ts';
import { oidcFlowPaths } from './oidc-flow.ts';
import { oidcKeyPaths } from './oidc-key.ts';
import { oidcScopePaths } from './oidc-scope.ts';
import { oidcUpkeep } from './oidc-shared.ts';
import { oidcTokenPaths } from './oidc-token.ts';

export function identityEngine(parts: SystemParts): EngineType {
  /** One for all namespaces: handlers go by the request's. */
  const paths = [
    ...entityPaths(parts),
    ...entityAliasPaths(parts),
    ...groupPaths(parts),
    ...groupAliasPaths(parts),
    ...lookupPaths(parts),
    ...oidcTokenPaths(parts),
    ...oidcKeyPaths(parts),
    ...oidcScopePaths(),
    ...oidcClientPaths(parts),
    ...oidcFlowPaths(parts),
    ...mfaLoginPaths(parts),
    ...mfaMethodPaths(parts),
  ];
  const periodic = [oidcUpkeep(parts), mfaUpkeep(parts)];
  return {
    type: 'identity',
    class: 'system',
    summary: 'Entities, their aliases at auth methods, groups of them, and identity tokens for applications.',
    host: true,
    singleton: true,
    // What is due waits for the next use: nobody relies on a key that nobody asks for.
    wakes: false,
    open: () => ({ paths, periodic }),
  };
}
