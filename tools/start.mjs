/**
 * `npm start`: installs what running Coffer needs, then becomes `coffer` under the pinned Node.
 * With no arguments it is the quick start: one durable node under ./data that initialises and unseals itself.
 */
import { join } from 'node:path';
import { installPackages, projectRoot, runWithPinnedNode } from './install.mjs';

const args = process.argv.slice(2);
installPackages({ dev: false });
runWithPinnedNode([
  join(projectRoot, 'bin', 'coffer.ts'),
  ...(args.length > 0 ? args : ['server', '-quickstart']),
]);
