import type { EnginePath } from '../engine/engine.ts';
import { hashPaths, randomPaths } from '../engine/tool-paths.ts';

/** `sys/tools/random` and `sys/tools/hash`. */
export function toolPaths(): EnginePath[] {
  return [...randomPaths('tools/', { topLevel: 'also' }), ...hashPaths('tools/', { topLevel: 'also' })];
}
