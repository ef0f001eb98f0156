/**
 * Tokens: what proves a request's caller. Owns their making, finding, use counts, renewal times and their tree; which
 * requests may make one is the token engine's and the auth methods', and what a token may do is policies/'.
 */
import { persist, type Session } from '../barrier/session.ts';
import type { View } from '../barrier/view.ts';
import type { Clock } from '../base/clock.ts';
import { InvalidRequest, Unavailable, unlessCorrupt } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { turn } from '../base/turn.ts';
import { cidrContains, parseCidrList } from '../crypto/cidr.ts';
import { type HmacSha256, hmacSha256 } from '../crypto/hmac.ts';
import type { Lease, TokenLease } from '../leases/lease.ts';
import type { Leases } from '../leases/leases.ts';
import { deleteLease, deleteUnreadable, getLease } from '../leases/records.ts';
import {
  allNamespacesPrefix,
  idSuffix,
  namespacedPrefix,
  namespaceIdIn,
  ROOT_ID,
} from '../namespaces/namespace.ts';
import { UNASSIGNABLE_POLICIES } from '../policies/defaults.ts';
import type { MadeLease } from '../quotas/quotas.ts';
import {
  leaseIdOf,
  type NewToken,
  namespaceIdOf,
  type StoredToken,
  storedToken,
  TOKEN_RECORDS,
  type Token,
} from './token.ts';

export interface TokensOptions {
  clock: Clock;
  random: Random;
  log: Logger;
  /** Batch tokens are sealed under the barrier's keys; nothing of them is stored. */
  opaque: {
    seal(purpose: string, bytes: Buffer): Buffer;
    open(purpose: string, bytes: Buffer): Buffer | undefined;
  };
  leases(): Leases;
  openSession(): Session;
  /** Clears what hangs on a token that ended (cubbyholes, wrapped replies). */
  cleared(session: Session, tokenKey: string): void;
  /** A token with a lease was made. */
  leaseCreated?(session: Session, made: MadeLease): void;
  /** Why there shall be no more leases there; absent: there is no limit. */
  leaseRefusal?(
    session: Session,
    wanted: { namespaceId: string; path: string; role: string },
  ): Error | undefined;
}

const ROOT_ACCESSORS = namespacedPrefix('accessors', ROOT_ID);
const CHILDREN = 'tokens/child/';
const TREES = 'tokens/ending/';
const SALT = 'core/token-salt';
const TREE_SLICE = 128;
/** Looked at on each use; the end of a deeper tree's leaves waits for clean-up. */
const ANCESTORS_MAX = 32;
const TOKEN_LENGTH_MAX = 4096;
const KEYS_KEPT_MAX = 10_000;
const KEPT_TOKEN_LENGTH_MAX = 128;

const ROOT_TOKEN: NewToken = {
  type: 'service',
  parent: undefined,
  policies: ['root'],
  path: 'auth/token/root',
  meta: null,
  displayName: 'root',
  numUses: 0,
  ttl: 0,
  explicitMaxTtl: 0,
  period: 0,
  renewable: false,
  entityId: '',
  role: '',
  boundCidrs: [],
};

export class Tokens {
  readonly #options: TokensOptions;
  #hmac: HmacSha256 | undefined;
  /** Of tokens used lately, because a request's first cost is this hash. Gone when the server seals. */
  readonly #keys = new Map<string, string>();
  /** One object for each record as long as the record is remembered, so that others can keep what they derive from it. */
  readonly #found = new WeakMap<StoredToken, Token>();
  #stopped = false;

  constructor(options: TokensOptions) {
    this.#options = options;
  }

  /** Reads the salt (made at initialisation). */
  start(session: Session): void {
    const stored = session.view('').get<{ salt: string }>(SALT);
    if (!stored) throw new Error('the token salt is missing');
    this.#hmac = hmacSha256(Buffer.from(stored.salt, 'base64'));
  }

  /** Goes on with token trees whose ending was interrupted. */
  resume(session: Session): void {
    for (const key of [...session.view(TREES).keys('')]) {
      this.#endTree(key).catch((error) =>
        this.#options.log.error(
          'ending the children of a token was cut short; it goes on at the next start',
          {
            error,
          },
        ),
      );
    }
  }

  /** Touches the store no more; trees that are being ended go on at the next start. */
  stop(): void {
    this.#stopped = true;
  }

  /** Once, at initialisation. */
  initialize(session: Session): void {
    session.view('').put(SALT, { salt: this.#options.random.bytes(32).toString('base64') });
  }

  /** The key a token is stored under. */
  keyOf(id: string): string {
    if (!this.#hmac) throw new Error('tokens are not started');
    let key = this.#keys.get(id);
    if (key === undefined) {
      key = this.#hmac.digest(id).toString('base64url');
      if (this.#keys.size >= KEYS_KEPT_MAX) this.#keys.clear();
      if (id.length <= KEPT_TOKEN_LENGTH_MAX) this.#keys.set(id, key);
    }
    return key;
  }

  /** Makes a token; for a service token also its lease. The text is returned once and kept nowhere. */
  create(session: Session, wanted: NewToken): { id: string; token: Token } {
    const unassignable = wanted.policies.find((policy) => UNASSIGNABLE_POLICIES.has(policy));
    if (unassignable && !wanted.wrapped) throw new InvalidRequest(`cannot assign policy "${unassignable}"`);
    const refusal = this.#refusal(session, wanted);
    if (refusal) throw refusal;
    return wanted.type === 'batch' ? this.#createBatch(wanted) : this.#createService(session, wanted);
  }

  /** A root token, which never expires; its text may be chosen by who starts a development server. */
  createRoot(session: Session, id?: string): string {
    return this.#createService(session, { ...ROOT_TOKEN, id }).id;
  }

  /** The token, if it is good now. Expiry counts here, whatever clean-up has done. */
  find(session: Session, id: string): Token | undefined {
    if (id.length === 0 || id.length > TOKEN_LENGTH_MAX) return undefined;
    if (id.startsWith('hvb.') || id.startsWith('b.')) return this.#findBatch(session, id);
    return this.byKey(session, this.keyOf(id));
  }

  byKey(session: Session, key: string): Token | undefined {
    const stored = storedToken(session, key);
    if (!stored || this.#expired(stored) || !this.#ancestorsLive(session, stored)) return undefined;
    let token = this.#found.get(stored);
    if (token?.key !== key) {
      token = { ...stored, type: 'service', key };
      this.#found.set(stored, token);
    }
    return token;
  }

  /** Of one namespace. */
  byAccessor(session: Session, namespaceId: string, accessor: string): Token | undefined {
    const key = accessorsOf(session, namespaceId).getIndex(accessor);
    const token = key === undefined ? undefined : this.byKey(session, key);
    return token?.accessor === accessor && namespaceIdOf(token) === namespaceId ? token : undefined;
  }

  accessors(session: Session, namespaceId: string, page?: { after?: string; limit?: number }): string[] {
    return accessorsOf(session, namespaceId).list('', page);
  }

  /** Ends every token of a namespace, whoever made it. */
  async revokeAll(namespaceId: string): Promise<void> {
    for (;;) {
      if (this.#stopped) throw new Unavailable('the server is being sealed');
      const session = this.#options.openSession();
      const accessors = accessorsOf(session, namespaceId);
      const slice = [...accessors.keys('', { limit: TREE_SLICE })];
      for (const accessor of slice) {
        const key = accessors.getIndex(accessor);
        if (key !== undefined) void this.revoke(session, key);
        accessors.delete(accessor);
      }
      await persist(session);
      if (slice.length < TREE_SLICE) return;
      await turn();
    }
  }

  /** Whether its address blocks let it be used from there; a root token that never expires is not bound by any. */
  usableFrom(token: Token, address: string): boolean {
    if (token.boundCidrs.length === 0) return true;
    if (token.expiresAtMs === 0 && token.policies.includes('root')) return true;
    return cidrContains(parseCidrList(token.boundCidrs), address);
  }

  /** Takes one use off a use-limited token; the last use leaves it unusable for anybody else. False when none was left. */
  spend(session: Session, token: Token): boolean {
    if (token.numUses === 0) return true;
    const stored = storedToken(session, token.key);
    if (!stored || stored.numUses < 1) return false;
    session
      .view(TOKEN_RECORDS)
      .put(token.key, { ...stored, numUses: stored.numUses === 1 ? -1 : stored.numUses - 1 });
    return true;
  }

  /** Moves a token's end; `ttl` in seconds from now, already within every limit. */
  prolong(session: Session, token: Token, ttl: number): void {
    const stored = storedToken(session, token.key);
    if (!stored || !this.byKey(session, token.key)) throw new InvalidRequest('token not found');
    const nowMs = this.#options.clock.now();
    const expiresAtMs = nowMs + ttl * 1000;
    const lease = getLease(session, leaseIdOf(token));
    session.view(TOKEN_RECORDS).put(token.key, { ...stored, expiresAtMs, renewedAtMs: nowMs });
    if (lease)
      this.#options
        .leases()
        .save(session, { ...lease, expiresAtMs, dueAtMs: expiresAtMs, renewedAtMs: nowMs }, lease);
  }

  /**
   * Ends a token: it is useless as soon as the session is applied; its children and everything leased to them follow.
   * A promise when it has children: it resolves when all of them have ended; a crash before that is made up for. It need
   * not be awaited.
   */
  revoke(session: Session, key: string): Promise<void> | undefined {
    this.#remove(session, key);
    return this.#endChildren(session, key);
  }

  /** As `revoke`, for a token whose lease is at hand; removing the lease is the caller's. */
  revokeLeased(session: Session, token: TokenLease): Promise<void> | undefined {
    this.#forget(session, token.tokenKey, token);
    return this.#endChildren(session, token.tokenKey);
  }

  /** Ends a token and leaves its children as orphans. */
  revokeOrphan(session: Session, key: string): void {
    const children = session.view(`${CHILDREN}${key}/`);
    for (const child of [...children.keys('')]) {
      const stored = storedToken(session, child);
      if (stored) session.view(TOKEN_RECORDS).put(child, { ...stored, parent: undefined });
      children.delete(child);
    }
    this.#remove(session, key);
  }

  /** Removes index entries that point nowhere; returns how many. Runs in slices. */
  async tidy(): Promise<number> {
    const inRoot = await this.#tidyAccessors(ROOT_ACCESSORS);
    return inRoot + (await this.#tidyAccessors(allNamespacesPrefix('accessors')));
  }

  async #tidyAccessors(prefix: string): Promise<number> {
    let removed = 0;
    let after: string | undefined;
    for (;;) {
      const session = this.#options.openSession();
      const index = session.view(prefix);
      const accessors = [...index.keys('', { after, limit: TREE_SLICE })];
      for (const accessor of accessors) {
        const key = index.getIndex(accessor);
        if (key !== undefined && this.#readable(session, key)) continue;
        index.delete(accessor);
        removed++;
      }
      await persist(session);
      if (accessors.length < TREE_SLICE) return removed;
      after = accessors.at(-1);
      await turn();
    }
  }

  #endChildren(session: Session, key: string): Promise<void> | undefined {
    const [firstChild] = session.view(`${CHILDREN}${key}/`).keys('', { limit: 1 });
    if (firstChild === undefined) return undefined;
    session.view(TREES).put(key, 1);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {});
    session.afterApply(() => this.#endTree(key).then(resolve, reject));
    return promise;
  }

  /**
   * Ends all below `root`, in slices that commit one by one. The children of a token that ends become the root's own, so
   * that the tree is worked off as one list however deep it is.
   */
  async #endTree(root: string): Promise<void> {
    for (;;) {
      if (this.#stopped) throw new Unavailable('the server is being sealed');
      const session = this.#options.openSession();
      const children = session.view(`${CHILDREN}${root}/`);
      let budget = TREE_SLICE;
      for (const child of [...children.keys('', { limit: TREE_SLICE })]) {
        if (budget <= 0) break;
        this.#remove(session, child);
        const grandchildren = session.view(`${CHILDREN}${child}/`);
        const moved = [...grandchildren.keys('', { limit: budget })];
        for (const grandchild of moved) {
          grandchildren.delete(grandchild);
          children.put(grandchild, 1);
        }
        budget -= 1 + moved.length;
        // With the budget gone it may have more, so it stays on the list.
        if (budget > 0) children.delete(child);
        else children.put(child, 1);
      }
      const [left] = children.keys('', { limit: 1 });
      if (left === undefined) session.view(TREES).delete(root);
      await persist(session);
      if (left === undefined) return;
      await turn();
    }
  }

  #remove(session: Session, key: string): void {
    const stored = this.#readable(session, key);
    if (stored) {
      const leaseId = leaseIdOf({ ...stored, key });
      const lease = unlessCorrupt<Lease | undefined | 'damaged'>(() => getLease(session, leaseId), 'damaged');
      if (lease === 'damaged') deleteUnreadable(session, leaseId);
      else if (lease) deleteLease(session, lease);
    }
    this.#forget(session, key, stored);
  }

  /** Removes all that there is of a token except its lease. */
  #forget(session: Session, key: string, known: Pick<StoredToken, 'accessor' | 'parent'> | undefined): void {
    session.view(TOKEN_RECORDS).delete(key);
    if (known) accessorsOf(session, namespaceIdIn(known.accessor)).delete(known.accessor);
    if (known?.parent) session.view(`${CHILDREN}${known.parent}/`).delete(key);
    this.#options.leases().revokeOfToken(session, key);
    this.#options.cleared(session, key);
  }

  /** A damaged record counts as none: ending a token must not fail on it. */
  #readable(session: Session, key: string): StoredToken | undefined {
    return unlessCorrupt(() => storedToken(session, key), undefined);
  }

  #createService(session: Session, wanted: NewToken): { id: string; token: Token } {
    const { clock, random } = this.#options;
    const suffix = idSuffix(wanted.namespaceId ?? ROOT_ID);
    const id = `${wanted.id ?? `hvs.${random.base62(24)}`}${suffix}`;
    const key = this.keyOf(id);
    if (wanted.id !== undefined) this.#checkUnused(session, key);
    const nowMs = clock.now();
    const { type, id: _, ...rest } = wanted;
    const stored: StoredToken = {
      ...rest,
      accessor: `${random.base62(24)}${suffix}`,
      createdAtMs: nowMs,
      renewedAtMs: 0,
      expiresAtMs: wanted.ttl === 0 ? 0 : nowMs + wanted.ttl * 1000,
      creationTtl: wanted.ttl,
    };
    session.view(TOKEN_RECORDS).put(key, stored);
    accessorsOf(session, namespaceIdOf(stored)).putIndex(stored.accessor, key);
    if (stored.parent) session.view(`${CHILDREN}${stored.parent}/`).put(key, 1);
    const token: Token = { ...stored, type, key };
    if (stored.expiresAtMs !== 0) {
      this.#options.leases().save(session, {
        id: leaseIdOf(token),
        issuedAtMs: nowMs,
        expiresAtMs: stored.expiresAtMs,
        dueAtMs: stored.expiresAtMs,
        ttl: wanted.ttl,
        renewable: wanted.renewable,
        renewedAtMs: 0,
        of: { what: 'token', tokenKey: key, accessor: stored.accessor, parent: stored.parent },
      });
      this.#options.leaseCreated?.(session, {
        namespaceId: namespaceIdOf(stored),
        path: stored.path,
        role: stored.login?.role ?? stored.role,
        entityId: stored.entityId,
        isToken: true,
      });
    }
    return { id, token };
  }

  /** For a text that somebody chose; nobody meets one of 24 random characters again. */
  #checkUnused(session: Session, key: string): void {
    // While the children of one of that text are being ended, those of a new one would end with them.
    if (session.view(TOKEN_RECORDS).get(key) || session.view(TREES).get(key))
      throw new InvalidRequest('cannot create a token with a duplicate ID');
  }

  /**
   * Root tokens are how an operator gets out of it. Of wrapping tokens it was asked before what they wrap was made. A batch
   * token has no lease, but is no way around the quota either.
   */
  #refusal(session: Session, wanted: NewToken): Error | undefined {
    if (wanted.wrapped || wanted.policies.includes('root')) return undefined;
    const role = wanted.login?.role ?? '';
    const namespaceId = wanted.namespaceId ?? ROOT_ID;
    return this.#options.leaseRefusal?.(session, { namespaceId, path: wanted.path, role });
  }

  #createBatch(wanted: NewToken): { id: string; token: Token } {
    const nowMs = this.#options.clock.now();
    const { type: _type, id: _id, login: _login, ...rest } = wanted;
    const stored: StoredToken = {
      ...rest,
      accessor: '',
      numUses: 0,
      renewable: false,
      createdAtMs: nowMs,
      renewedAtMs: 0,
      expiresAtMs: nowMs + wanted.ttl * 1000,
      creationTtl: wanted.ttl,
    };
    const sealed = this.#options.opaque.seal('batch-token', Buffer.from(JSON.stringify(stored)));
    const id = `hvb.${sealed.toString('base64url')}${idSuffix(namespaceIdOf(stored))}`;
    return { id, token: { ...stored, type: 'batch', key: this.keyOf(id) } };
  }

  #findBatch(session: Session, id: string): Token | undefined {
    const [, sealed = '', suffix = ROOT_ID] = id.split('.');
    const bytes = this.#options.opaque.open('batch-token', Buffer.from(sealed, 'base64url'));
    if (!bytes) return undefined;
    const stored = JSON.parse(bytes.toString()) as StoredToken;
    if (this.#expired(stored) || namespaceIdOf(stored) !== suffix) return undefined;
    if (stored.parent && !this.byKey(session, stored.parent)) return undefined;
    return { ...stored, type: 'batch', key: this.keyOf(id) };
  }

  /** A token ends with the one that made it, though clean-up may come to it later. */
  #ancestorsLive(session: Session, { parent }: StoredToken): boolean {
    let key = parent;
    for (let level = 0; key !== undefined && level < ANCESTORS_MAX; level++) {
      const ancestor: StoredToken | undefined = storedToken(session, key);
      if (!ancestor || this.#expired(ancestor)) return false;
      key = ancestor.parent;
    }
    return true;
  }

  #expired(stored: StoredToken): boolean {
    return stored.expiresAtMs !== 0 && stored.expiresAtMs <= this.#options.clock.now();
  }
}

function accessorsOf(session: Session, namespaceId: string): View {
  return session.view(namespaceId === ROOT_ID ? ROOT_ACCESSORS : namespacedPrefix('accessors', namespaceId));
}
