import type { Session } from '../barrier/session.ts';
import type { Page } from '../barrier/view.ts';
import { InvalidRequest, unlessCorrupt } from '../base/errors.ts';
import type { MountInfo } from '../engine/engine.ts';
import type { Scope } from './scope.ts';

/** What every kind of quota has; one record each. */
export interface Quota {
  readonly name: string;
  readonly scope: Scope;
  readonly inheritable: boolean;
}

/** The definitions of one kind of quota, by name. */
export class QuotaRecords<Q extends Quota> {
  readonly #prefix: string;

  constructor(kind: 'rate-limit' | 'lease-count') {
    this.#prefix = `core/quotas/${kind}/`;
  }

  get(session: Session, name: string): Q | undefined {
    return session.view(this.#prefix).get<Q>(name);
  }

  names(session: Session, page?: Page): string[] {
    return session.view(this.#prefix).list('', page);
  }

  /** Those that can be read; a damaged one is in quarantine and limits nothing. */
  *all(session: Session): Iterable<Q> {
    for (const name of session.view(this.#prefix).keys('')) {
      const quota = unlessCorrupt(() => this.get(session, name), undefined);
      if (quota) yield quota;
    }
  }

  /** Throws `InvalidRequest` when another one has the same path and role: which of them ruled would be chance. */
  put(session: Session, quota: Q): void {
    for (const other of this.all(session)) {
      if (other.name !== quota.name && sameScope(other.scope, quota.scope))
        throw new InvalidRequest(
          `quota rule with similar properties exists under the name ${JSON.stringify(other.name)}`,
        );
    }
    session.view(this.#prefix).put(quota.name, quota);
  }

  /** `to` is undefined where the mount is gone. True when there was a quota on it. */
  mountMoved(session: Session, from: MountInfo, to: MountInfo | undefined): boolean {
    let any = false;
    for (const quota of [...this.all(session)]) {
      const { namespace, mount } = quota.scope;
      if (mount !== from.path || namespace !== from.namespace.path) continue;
      any = true;
      if (!to) this.delete(session, quota.name);
      else
        session.view(this.#prefix).put(quota.name, {
          ...quota,
          scope: { ...quota.scope, namespace: to.namespace.path, mount: to.path },
        });
    }
    return any;
  }

  /** Those on a namespace that is gone, and on what was in it. */
  namespaceGone(session: Session, path: string): boolean {
    const gone = [...this.all(session)].filter(({ scope }) => scope.namespace.startsWith(path));
    for (const { name } of gone) this.delete(session, name);
    return gone.length > 0;
  }

  delete(session: Session, name: string): void {
    session.view(this.#prefix).delete(name);
  }
}

function sameScope(a: Scope, b: Scope): boolean {
  return a.namespace === b.namespace && a.mount === b.mount && a.suffix === b.suffix && a.role === b.role;
}
