import type { EngineType } from '../engine/engine.ts';
import { approle } from './approle/engine.ts';
import { userpass } from './userpass/engine.ts';

/** The auth methods that can be mounted. */
export const authMethods: readonly EngineType[] = [approle, userpass];
