/** Works on the copy in the directory that is its argument until it is killed; prints what it was told. */
import { writeSync } from 'node:fs';
import { systemRandom } from '../../src/base/random.ts';
import { openLmdbCopy } from '../../src/store/lmdb.ts';
import { check, openWorld, work } from './workload.ts';

const world = await openWorld(openLmdbCopy({ path: process.argv[2]! }), systemRandom);
check(world, new Map());
await work(
  world,
  systemRandom,
  (writer, n) => writeSync(1, `${writer} ${n}\n`),
  () => false,
);
