/** `node tools/run.mjs FILE ARGUMENTS`: installs what development needs, then runs a tool under the pinned Node. */
import { installPackages, runWithPinnedNode } from './install.mjs';

installPackages({ dev: true });
runWithPinnedNode(process.argv.slice(2));
