/**
 * AppRole: machines log in with a role-id and a secret-id. This folder owns roles, secret-ids with their accessors and
 * limits, and the check of a login. It does not make tokens, count failed logins or know policies: the host does.
 */

import type { Engine, EngineType } from '../../engine/engine.ts';
import { Fingerprints } from './fingerprints.ts';
import { loginPath, renewRole } from './login.ts';
import { propertyPaths } from './properties.ts';
import { rolePaths } from './role-paths.ts';
import { secretIdPaths } from './secret-id-paths.ts';
import { tidyPath, tidyWork } from './tidy.ts';

export const approle: EngineType = {
  type: 'approle',
  class: 'auth',
  wakes: false,
  summary: 'Logins of machines by role-id and secret-id.',
  open(): Engine {
    const fingerprints = new Fingerprints();
    return {
      paths: [
        ...rolePaths(fingerprints),
        ...propertyPaths(),
        ...secretIdPaths(fingerprints),
        loginPath(fingerprints),
        tidyPath(),
      ],
      periodic: [tidyWork],
      renewLogin: renewRole,
    };
  },
};
