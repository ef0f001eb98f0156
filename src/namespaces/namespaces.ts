/**
 * The tree of namespaces: which there are, which of them a request means, which are locked. Owns their records and keeps
 * all of them in memory, a few hundred bytes each; what lies in a namespace is each domain's own, under its id.
 */
import { hash } from 'node:crypto';
import type { Session } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { equalSecrets } from '../crypto/compare.ts';
import { checkedName } from './names.ts';
import { type Namespace, ROOT_NAMESPACE } from './namespace.ts';

const RECORDS = 'core/namespaces/';
const ID_LENGTH = 6;
const UNLOCK_KEY_LENGTH = 24;
const DEPTH_MAX = 32;

interface Node {
  namespace: Namespace;
  readonly parent: Node | undefined;
  /** By name, without slash. */
  readonly children: Map<string, Node>;
}

export class Namespaces {
  readonly #random: Random;
  readonly #log: Logger;
  readonly #root: Node = { namespace: ROOT_NAMESPACE, parent: undefined, children: new Map() };
  readonly #byId = new Map<string, Node>([[ROOT_NAMESPACE.id, this.#root]]);
  #lockedCount = 0;

  constructor({ random, log }: { random: Random; log: Logger }) {
    this.#random = random;
    this.#log = log;
  }

  /** Reads all records; returns those of namespaces whose deletion was interrupted. A damaged one is reported and left out. */
  load(session: Session): Namespace[] {
    const records = session.view(RECORDS);
    const found: Namespace[] = [];
    for (const id of records.keys('')) {
      try {
        const namespace = records.get<Namespace>(id);
        if (namespace) found.push(namespace);
      } catch (error) {
        this.#log.error('a namespace record cannot be read; the namespace is left out', {
          record: id,
          error,
        });
      }
    }
    // Parents have shorter paths than what is in them.
    found.sort((a, b) => a.path.length - b.path.length);
    for (const namespace of found) {
      if (!this.#add(namespace))
        this.#log.error('a namespace is left out, as the one it is in is not there', {
          path: namespace.path,
        });
    }
    return found.filter(({ leaving }) => leaving);
  }

  /** By id; also while it is being deleted. */
  byId(id: string): Namespace | undefined {
    return this.#byId.get(id)?.namespace;
  }

  /** Whether any but the root exists. */
  get any(): boolean {
    return this.#root.children.size > 0;
  }

  /** Whether requests may go to it: it is there, and neither it nor what it is in is being deleted. */
  isOpen(namespace: Namespace): boolean {
    for (let node = this.#byId.get(namespace.id); node; node = node.parent) {
      if (node.namespace.leaving) return false;
      if (!node.parent) return node === this.#root;
    }
    return false;
  }

  /** The child of that name; also while it is being deleted. */
  child(parent: Pick<Namespace, 'id'>, name: string): Namespace | undefined {
    return this.#byId.get(parent.id)?.children.get(name)?.namespace;
  }

  /** The one at `path` below `base`; slashes around it do not matter. */
  below(base: Pick<Namespace, 'id'>, path: string): Namespace | undefined {
    let node = this.#byId.get(base.id);
    const trimmed = path.replace(/^\/+|\/+$/g, '');
    if (trimmed === '') return node?.namespace;
    for (const name of trimmed.split('/')) node = node?.children.get(name);
    return node?.namespace;
  }

  /** The namespace that a path, from `base` on, begins with, and the rest of the path. */
  split(path: string, base: Pick<Namespace, 'id'> = ROOT_NAMESPACE): { namespace: Namespace; rest: string } {
    let node = this.#byId.get(base.id) ?? this.#root;
    let rest = path;
    for (;;) {
      const slash = rest.indexOf('/');
      const child = slash > 0 && node.children.get(rest.slice(0, slash));
      if (!child || child.namespace.leaving) return { namespace: node.namespace, rest };
      node = child;
      rest = rest.slice(slash + 1);
    }
  }

  /** Those directly in it, by name. */
  children(parent: Pick<Namespace, 'id'>): Namespace[] {
    const nodes = [...(this.#byId.get(parent.id)?.children ?? [])];
    return nodes.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { namespace }]) => namespace);
  }

  /** All below it, each before what is in it. */
  *descendants(parent: Pick<Namespace, 'id'>): Generator<Namespace, void, undefined> {
    for (const child of this.children(parent)) {
      yield child;
      yield* this.descendants(child);
    }
  }

  /** It and what it is in, without the root. */
  *lineage(namespace: Pick<Namespace, 'id'>): Generator<Namespace, void, undefined> {
    for (let node = this.#byId.get(namespace.id); node?.parent; node = node.parent) yield node.namespace;
  }

  /** The outermost locked namespace that it is in or is; it must be unlocked first. */
  lockOver(namespace: Namespace): Namespace | undefined {
    if (this.#lockedCount === 0) return undefined;
    return [...this.lineage(namespace)].findLast(({ lockedBy }) => lockedBy !== undefined);
  }

  create(
    session: Session,
    parent: Namespace,
    wanted: { name: string; customMetadata: Readonly<Record<string, string>> },
  ): Namespace {
    const name = checkedName(wanted.name);
    if (!this.isOpen(parent)) throw new InvalidRequest('the parent namespace is being deleted');
    if (parent.path.split('/').length > DEPTH_MAX)
      throw new InvalidRequest(`namespaces cannot be nested deeper than ${DEPTH_MAX}`);
    if (this.child(parent, name)) throw new InvalidRequest(`namespace ${parent.path}${name}/ already exists`);
    const namespace: Namespace = {
      id: this.#newId(),
      uuid: this.#random.uuid(),
      path: `${parent.path}${name}/`,
      customMetadata: wanted.customMetadata,
    };
    session.view(RECORDS).put(namespace.id, namespace);
    session.afterApply(() => void this.#add(namespace));
    return namespace;
  }

  changeMetadata(session: Session, namespace: Namespace, customMetadata: Readonly<Record<string, string>>) {
    return this.#replace(session, { ...namespace, customMetadata });
  }

  /** Returns the key that unlocks it; only its hash is kept. */
  lock(session: Session, namespace: Namespace): string {
    const over = this.lockOver(namespace);
    if (over) throw new InvalidRequest(`cannot lock namespace "${namespace.path}": "${over.path}" is locked`);
    const key = this.#random.base62(UNLOCK_KEY_LENGTH);
    this.#replace(session, { ...namespace, lockedBy: digest(key) });
    return key;
  }

  /** `key` undefined: the caller needs none. */
  unlock(session: Session, namespace: Namespace, key: string | undefined): void {
    if (namespace.lockedBy === undefined)
      throw new InvalidRequest(`namespace "${namespace.path}" is not locked`);
    const over = this.lockOver(namespace);
    if (over && over.id !== namespace.id)
      throw new InvalidRequest(`cannot unlock namespace "${namespace.path}": "${over.path}" is locked`);
    if (key !== undefined && !equalSecrets(digest(key), namespace.lockedBy))
      throw new InvalidRequest('incorrect unlock key');
    const { lockedBy: _, ...rest } = namespace;
    this.#replace(session, rest);
  }

  /** Lets nobody in any more; the caller then ends what is in it and calls `remove`. */
  leave(session: Session, namespace: Namespace): Namespace {
    return this.#replace(session, { ...namespace, leaving: true });
  }

  remove(session: Session, namespace: Namespace): void {
    session.view(RECORDS).delete(namespace.id);
    session.afterApply(() => this.#forget(namespace));
  }

  #replace(session: Session, namespace: Namespace): Namespace {
    session.view(RECORDS).put(namespace.id, namespace);
    session.afterApply(() => {
      const node = this.#byId.get(namespace.id);
      if (!node) return;
      this.#lockedCount += Number(isLocked(namespace)) - Number(isLocked(node.namespace));
      node.namespace = namespace;
    });
    return namespace;
  }

  #newId(): string {
    for (;;) {
      const id = this.#random.base62(ID_LENGTH);
      if (!this.#byId.has(id)) return id;
    }
  }

  #add(namespace: Namespace): boolean {
    const segments = namespace.path.split('/').slice(0, -1);
    const name = segments.pop();
    let parent: Node | undefined = this.#root;
    for (const segment of segments) parent = parent?.children.get(segment);
    if (!parent || name === undefined) return false;
    const node: Node = { namespace, parent, children: new Map() };
    parent.children.set(name, node);
    this.#byId.set(namespace.id, node);
    this.#lockedCount += Number(isLocked(namespace));
    return true;
  }

  #forget({ id, path }: Namespace): void {
    const node = this.#byId.get(id);
    if (!node) return;
    node.parent?.children.delete(path.split('/').at(-2) ?? '');
    this.#byId.delete(id);
    this.#lockedCount -= Number(isLocked(node.namespace));
  }
}

function isLocked({ lockedBy }: Namespace): boolean {
  return lockedBy !== undefined;
}

function digest(key: string): string {
  return hash('sha256', key, 'hex');
}
