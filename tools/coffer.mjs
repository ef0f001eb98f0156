/** `npm run coffer -- ARGUMENTS`: the command line from this checkout; installs what it needs, but nothing for tests. */
import { join } from 'node:path';
import { installPackages, projectRoot, runWithPinnedNode } from './install.mjs';

installPackages({ dev: false });
runWithPinnedNode([join(projectRoot, 'bin', 'coffer.ts'), ...process.argv.slice(2)]);
