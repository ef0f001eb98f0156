import type { EngineType } from '../engine/engine.ts';
import { cubbyhole } from './cubbyhole/engine.ts';
import { database } from './database/engine.ts';
import { kv } from './kv/engine.ts';
import { transit } from './transit/engine.ts';

/** The secrets engines that can be mounted. */
export const secretsEngines: readonly EngineType[] = [cubbyhole, database, kv, transit];
