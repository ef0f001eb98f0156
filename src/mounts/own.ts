import { hash } from 'node:crypto';
import { type Namespace, ROOT_ID } from '../namespaces/namespace.ts';
import { CONFIG_UNSET, type MountEntry } from './entry.ts';

/** The host's own mounts: every namespace has one of each, always. */
export type OwnMount = Pick<MountEntry, 'path' | 'class' | 'type' | 'description' | 'local'> & {
  /** In the root. Fixed, so that one whose record is damaged can be made anew over the same data. */
  readonly rootUuid: string;
};

export const OWN_MOUNTS: readonly OwnMount[] = [
  {
    path: 'sys/',
    class: 'system',
    type: 'system',
    rootUuid: '00000000-0000-4000-8000-000000000001',
    description: 'system endpoints used for control, policy and debugging',
    local: false,
  },
  {
    path: 'cubbyhole/',
    class: 'secret',
    type: 'cubbyhole',
    rootUuid: '00000000-0000-4000-8000-000000000002',
    description: 'per-token private secret storage',
    local: true,
  },
  {
    path: 'token/',
    class: 'auth',
    type: 'token',
    rootUuid: '00000000-0000-4000-8000-000000000003',
    description: 'token based credentials',
    local: false,
  },
  {
    path: 'identity/',
    class: 'system',
    type: 'identity',
    rootUuid: '00000000-0000-4000-8000-000000000004',
    description: 'identity store',
    local: false,
  },
];

/**
 * The host's mount in a namespace as it is until somebody tunes it. Follows from the namespace, so that it needs no record:
 * a kind of mount that is new in this version is at once in every namespace.
 */
export function ownEntry(own: OwnMount, namespace: Pick<Namespace, 'id' | 'uuid'>): MountEntry {
  const { rootUuid, ...rest } = own;
  const digest = hash('sha256', `${namespace.uuid}/${own.class}/${own.type}`, 'hex');
  const prefix = own.class === 'auth' ? `auth_${own.type}` : own.type;
  return {
    ...rest,
    uuid: namespace.id === ROOT_ID ? rootUuid : uuidFrom(digest),
    accessor: `${prefix}_${digest.slice(32, 40)}`,
    options: {},
    config: CONFIG_UNSET,
    sealWrap: false,
    externalEntropyAccess: false,
  };
}

function uuidFrom(hex: string): string {
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
