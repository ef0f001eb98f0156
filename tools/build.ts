/**
 * `npm run build`: Coffer as it is shipped, in dist/, needing nothing but Node 26: the program `coffer.mjs`, what
 * `coffer server` loads (`server.mjs`, apart so that the other commands start fast), what that loads when it is first used
 * (`server-*.mjs`), the process that it starts for HSMs (`pkcs11.mjs`), and the compiled parts of the npm packages that have some (`*.node`, for the platform that built them).
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

/** koffi looks for its compiled part in node_modules when it runs; all that Coffer uses of it is in there. */
const koffiPlugin: Plugin = {
  name: 'koffi',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^koffi$/ }, () => ({ path: 'addon', namespace: 'koffi' }));
    onLoad({ filter: /.*/, namespace: 'koffi' }, () => ({
      contents: `module.exports = require(${JSON.stringify(koffiAddon())});`,
      resolveDir: projectRoot,
    }));
  },
};

/**
 * Node's own modules are loaded where they are used, as in the sources. In one bundle their imports would all move to its
 * top, and every command would wait for what only the server needs.
 */
const lazyNodePlugin: Plugin = {
  name: 'lazy-node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'require-call' ? { path, external: true } : { path, namespace: 'lazy-node' },
    );
    onLoad({ filter: /.*/, namespace: 'lazy-node' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** Leaves the server to its own bundle, where the program imports it. */
const serverApartPlugin: Plugin = {
  name: 'server-apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/serve\/serve\.ts$/ }, () => ({ path: './server.mjs', external: true }));
  },
};

/** Bundles Coffer into `folder`, which is emptied first; resolves to the path of the program. */
export async function buildCoffer(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const program = join(folder, 'coffer.mjs');
  await bundle({ coffer: 'bin/coffer.ts' }, { folder, plugins: [serverApartPlugin] });
  await bundle({ server: 'src/serve/serve.ts' }, { folder, plugins: [lmdbPlugin], splitting: true });
  await bundle({ pkcs11: 'src/seal/pkcs11/child.ts' }, { folder, plugins: [koffiPlugin] });
  await chmod(program, 0o755);
  return program;
}

async function bundle(
  entryPoints: Readonly<Record<string, string>>,
  { folder, plugins, splitting = false }: { folder: string; plugins: readonly Plugin[]; splitting?: boolean },
): Promise<void> {
  await build({
    absWorkingDir: projectRoot,
    entryPoints: { ...entryPoints },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting,
    chunkNames: 'server-[hash]',
    platform: 'node',
    target: 'node26',
    format: 'esm',
    external: ['msgpackr-extract'], // Speeds up an encoding of lmdb that Coffer does not use; lmdb does without.
    banner: { js: REQUIRE },
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    plugins: [...plugins, lazyNodePlugin],
    logLevel: 'warning',
  });
}

function lmdbAddon(): string {
  const require = createRequire(join(projectRoot, 'node_modules', 'lmdb', 'package.json'));
  const load: { resolve(folder: string): string } = require('node-gyp-build-optional-packages');
  return load.resolve(join(projectRoot, 'node_modules', 'lmdb'));
}

function koffiAddon(): string {
  const platform = `${process.platform}-${process.arch}`;
  const folder = join(projectRoot, 'node_modules', '@koromix', `koffi-${platform}`);
  return join(folder, platform.replace('-', '_'), 'koffi.node');
}

if (import.meta.main) {
  await buildCoffer(join(projectRoot, 'dist')).then(
    (program) => console.log(program),
    () => process.exit(1), // esbuild has said why.
  );
}
