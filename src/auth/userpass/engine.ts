/**
 * Userpass: people log in with a user name and a password. This folder owns users and the check of a password. It does
 * not make tokens or count failed logins: the host does.
 */

import type { Engine, EngineType } from '../../engine/engine.ts';
import { loginPath, renewUser } from './login.ts';
import { userPaths } from './user-paths.ts';
import { canonicalUsername } from './users.ts';

export const userpass: EngineType = {
  type: 'userpass',
  class: 'auth',
  summary: 'Logins by user name and password.',
  open(): Engine {
    return {
      paths: [...userPaths(), loginPath()],
      renewLogin: renewUser,
      canonicalAliasName: canonicalUsername,
    };
  },
};
