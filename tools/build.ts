/**
 * `npm run build`: Coffer as it is shipped, in dist/: `coffer.mjs`, one bundle that needs nothing but Node 26, and
 * beside it the compiled parts of the npm packages that have some (`*.node`, for the platform that built them).
 */
import { chmod, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { projectRoot } from './install.mjs';

/** CommonJS packages inside the bundle, which is a module, need a `require`; so do the compiled parts. */
const REQUIRE = `import { createRequire as createBundleRequire } from 'node:module';
const require = createBundleRequire(import.meta.url);`;

/**
 * lmdb looks for its compiled part with a package that searches node_modules when it runs. The bundle names the file
 * that this search would find.
 */
const lmdbPlugin: Plugin = {
  name: 'lmdb',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node-gyp-build-optional-packages$/ }, () => ({ path: 'addon', namespace: 'lmdb' }));
    onLoad({ filter: /.*/, namespace: 'lmdb' }, () => ({
      contents: `module.exports = () => require(${JSON.stringify(lmdbAddon())});`,
      resolveDir: projectRoot,
    }));
  },
};

/** Bundles Coffer into `folder`, which is emptied first; resolves to the path of the program. */
export async function buildCoffer(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const program = join(folder, 'coffer.mjs');
  await build({
    absWorkingDir: projectRoot,
    entryPoints: ['bin/coffer.ts'],
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    keepNames: true, // Errors show the names of their classes.
    external: ['msgpackr-extract'], // Speeds up an encoding of lmdb that Coffer does not use; lmdb does without.
    banner: { js: REQUIRE },
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    plugins: [lmdbPlugin],
    logLevel: 'warning',
  });
  await chmod(program, 0o755);
  return program;
}

function lmdbAddon(): string {
  const require = createRequire(join(projectRoot, 'node_modules', 'lmdb', 'package.json'));
  const load: { resolve(folder: string): string } = require('node-gyp-build-optional-packages');
  return load.resolve(join(projectRoot, 'node_modules', 'lmdb'));
}

if (import.meta.main) {
  await buildCoffer(join(projectRoot, 'dist')).then(
    (program) => console.log(program),
    () => process.exit(1), // esbuild has said why.
  );
}
