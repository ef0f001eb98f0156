import { InvalidRequest } from '../base/errors.ts';

/** What a quota's path means: everything, a namespace, a mount, or paths of one, perhaps for one role of a login. */
export interface Scope {
  /** With trailing slash; '' is the root namespace. */
  readonly namespace: string;
  /** Within the namespace, with trailing slash; '' for all of it. */
  readonly mount: string;
  /** Within the mount; ends in `*` where it stands for all that begin so; '' for all of it. */
  readonly suffix: string;
  /** Only logins for this role; '' for all requests. */
  readonly role: string;
}

/** What there is to set quotas on. */
export interface Places {
  /** The longest namespace that `path` begins with, with trailing slash; '' for the root. */
  namespaceOf(path: string): string;
  /** The mount that `path` falls under within a namespace; undefined for none. */
  mountAt(namespace: string, path: string): Place | undefined;
}

export interface Place {
  /** With trailing slash, within its namespace. */
  readonly path: string;
  /** Whether its logins are for roles. */
  readonly hasRoles: boolean;
}

/** Throws `InvalidRequest` for a path where nothing is, and for a role where there are none. */
export function scopeOf(places: Places, given: { path: string; role: string }): Scope {
  const path = given.path.replace(/^\/+/, '').replace(/\/{2,}/g, '/');
  if (path.slice(0, -1).includes('*'))
    throw new InvalidRequest('a quota path can have a "*" only at its end');
  const namespace = places.namespaceOf(path);
  const rest = path.slice(namespace.length);
  if (rest === '' || `${rest}/` === namespace) return onNamespace(namespace, given.role);
  const place = places.mountAt(namespace, rest);
  if (!place) throw new InvalidRequest(`invalid mount path ${JSON.stringify(path)}`);
  const suffix = rest.slice(place.path.length).replace(/\/+$/, '');
  if (given.role !== '' && (!place.hasRoles || suffix !== ''))
    throw new InvalidRequest(
      `a quota for a role needs the path of an auth mount that has roles, not ${JSON.stringify(path)}`,
    );
  return { namespace, mount: place.path, suffix: suffix === '*' ? '' : suffix, role: given.role };
}

/** The scope's path as it is shown. */
export function scopePath({ namespace, mount, suffix }: Scope): string {
  return `${namespace}${mount}${suffix}`;
}

function onNamespace(namespace: string, role: string): Scope {
  if (role !== '') throw new InvalidRequest('a quota for a role needs the path of an auth mount');
  return { namespace, mount: '', suffix: '', role: '' };
}
