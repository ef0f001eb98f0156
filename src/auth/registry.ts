/** The auth methods there are, by type. A new one is a folder beside this file and a line here. */

import type { EngineType } from '../engine/engine.ts';
import { approle } from './approle/engine.ts';
import { userpass } from './userpass/engine.ts';

export const authMethods: ReadonlyMap<string, EngineType> = new Map(
  [approle, userpass].map((method) => [method.type, method]),
);
