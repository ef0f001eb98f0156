import { isRecord } from '../base/json.ts';
import type { Client } from '../client/client.ts';
import { ApiError } from '../client/errors.ts';
import { string } from './flags.ts';
import { cleanPath, mountPath } from './input.ts';

/** Where a key of the key-value store is: which mount, which version of the engine, and the path inside the mount. */
export interface KvLocation {
  readonly version: 1 | 2;
  /** Ends in a slash. */
  readonly mount: string;
  /** Without the mount; no slash at its ends. */
  readonly key: string;
}

export const mountFlag = {
  mount: string({
    usage:
      'Where the key-value store is mounted. With it the argument is the path inside the mount; without it the argument begins with the mount. The "data/" of version 2 is put in by itself in both cases.',
  }),
};

/** Asks the server which mount holds `path` and of which version it is. */
export async function locate(
  client: Client,
  path: string,
  mountGiven: string | undefined,
): Promise<KvLocation> {
  const whole = mountGiven === undefined ? cleanPath(path) : `${mountPath(mountGiven)}${cleanPath(path)}`;
  const asked = mountGiven === undefined ? whole : mountPath(mountGiven);
  const found = await preflight(client, asked);
  // A server without that endpoint is older than version 2 of the engine.
  if (!found) return { version: 1, mount: '', key: whole };
  const mount = mountPath(found.mount);
  return { version: found.version, mount, key: cleanPath(keyInMount(`${whole}/`, mount)) };
}

/** The path of the API for one of the engine's kinds (`data`, `metadata`, `delete`, …), which version 1 has not. */
export function apiPath({ version, mount, key }: KvLocation, kind: string): string {
  return version === 1 ? `${mount}${key}` : `${mount}${kind}${key === '' ? '' : `/${key}`}`;
}

/** Takes the mount off a path; a relative namespace that the mount begins with may be missing in the path. */
export function keyInMount(path: string, mount: string): string {
  return path.startsWith(mount) ? path.slice(mount.length) : path;
}

interface Found {
  readonly mount: string;
  readonly version: 1 | 2;
}

async function preflight(client: Client, path: string): Promise<Found | undefined> {
  try {
    // Whatever is printed instead of the command's request, this question is asked.
    const asking = client.with({ wrapTtl: () => undefined, intercept: () => {} });
    const { data, body } = await asking.request('GET', `sys/internal/ui/mounts/${path}`);
    const facts = data ?? body;
    const options = isRecord(facts.options) ? facts.options : {};
    return { mount: String(facts.path ?? ''), version: String(options.version) === '2' ? 2 : 1 };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}
