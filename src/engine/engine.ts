/**
 * The contract between the host and a secrets engine or auth method. An engine is data first: a table of paths, fields
 * and operations. It gets a view bound to its own mount and a narrow context; it cannot reach the barrier, another
 * mount or the pipeline, and it cannot skip or repeat a step that the host owns (policy, audit, leases, tokens).
 */

import type { View } from '../barrier/view.ts';
import type { Clock } from '../base/clock.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Fields, Input } from './fields.ts';
import type { LoginRenewal, RenewedLogin } from './login.ts';
import type { LeaseGrant, Reply } from './reply.ts';

/** What a registry lists. */
export interface EngineType {
  /** The name it is mounted by: `kv`, `approle`. */
  readonly type: string;
  readonly class: 'secret' | 'auth' | 'system';
  /** One sentence for `path-help` and the catalogue. */
  readonly summary: string;
  /** Other names that mean this type (`kv-v2`, `generic`) with the mount options they imply. */
  readonly aliases?: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The host's own: its handlers are handed a `SystemContext` (mounts/). */
  readonly host?: boolean;
  /** Mounted by the host only, once in each namespace, never removed (`sys`, `identity`, `token`, `cubbyhole`). */
  readonly singleton?: boolean;
  /** Whether periodic work is to be done also while nobody uses the mount. Types with periodic work say so. */
  readonly wakes?: boolean;
  /** Checks mount options before the mount exists, or is tuned from `before`; throws `InvalidRequest`. */
  checkOptions?(options: Readonly<Record<string, string>>, before?: Readonly<Record<string, string>>): void;
  /** Opens one mount. A throw fails this mount alone. */
  open(mount: MountContext): Engine;
}

/** One open mount. */
export interface Engine {
  readonly paths: readonly EnginePath[];
  /** By the `kind` of a lease grant. */
  readonly leases?: Readonly<Record<string, LeaseKind>>;
  readonly periodic?: readonly PeriodicWork[];
  /** Auth methods: may this login go on, and with what? Throws to refuse. Absent: logins are not renewable. */
  renewLogin?(context: WorkContext, login: LoginRenewal): RenewedLogin | Promise<RenewedLogin>;
  /** Auth methods where several spellings name the same person: the one that claims have. Absent: names are exact. */
  canonicalAliasName?(name: string): string;
  /** Mount options or key `key` changed under the engine (tune, restore, another node): drop what was derived from it. */
  changed?(key: string | undefined): void;
  /**
   * Writes one secret as it was in a snapshot, as a write of its own; says what was written. Throws `NotFound` where it was
   * not there. Absent: only the whole mount can be brought back.
   */
  recover?(
    context: WorkContext,
    secret: { readonly from: View; readonly path: string; readonly as: string },
  ): UnknownRecord | undefined;
  /** A token has ended: what the mount keeps for it alone is to go (cubbyhole). */
  forgetToken?(context: WorkContext, tokenKey: string): void;
  /** The names of what people keep here, for the metrics' count of secrets by mount. */
  kept?(view: View): Iterable<string>;
  close?(): void | Promise<void>;
}

/** What stays the same while a mount is open. */
export interface MountContext {
  readonly mount: MountInfo;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface MountInfo {
  /** With trailing slash, without `v1/`: `secret/`, `auth/approle/`. */
  readonly path: string;
  readonly type: string;
  readonly class: 'secret' | 'auth' | 'system';
  readonly uuid: string;
  readonly accessor: string;
  readonly options: Readonly<Record<string, string>>;
  /** Effective seconds: the mount's own or the server's. */
  readonly defaultLeaseTtl: number;
  readonly maxLeaseTtl: number;
  readonly local: boolean;
  readonly namespace: { readonly id: string; readonly path: string };
}

/** For work on a mount: requests, revocation, periodic work. */
export interface WorkContext {
  readonly view: View;
  readonly mount: MountInfo;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Makes what was written so far durable before the outside system is touched (write-ahead). */
  persist(): Promise<void>;
  /** Runs `work` alone among those with the same key on this mount. */
  locked<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Generates a password by a password policy's name; undefined takes the built-in one (20 characters). */
  generatePassword(policyName: string | undefined): string;
}

export interface RequestContext extends WorkContext {
  readonly request: {
    readonly id: string;
    /** Relative to the mount, normalised. */
    readonly path: string;
    readonly operation: Operation;
    /** The body or query as sent, for paths that keep it as it is. */
    readonly data: UnknownRecord;
    readonly remoteAddress: string;
    /** Lower-case names; only those the mount passes through. */
    readonly headers: Readonly<Record<string, string>>;
    /** Seconds; 0 when the reply is not to be wrapped. */
    readonly wrapTtl: number;
  };
  /** Absent on public paths. */
  readonly caller: Caller | undefined;
  /** Adds a line to the reply's `warnings`. */
  warn(message: string): void;
  /** May the caller do `operation` at `path` (relative to the mount)? For replies that show only what is allowed. */
  allowed(operation: Operation, path: string): boolean;
}

export interface Caller {
  readonly accessor: string;
  readonly displayName: string;
  readonly entityId: string;
  readonly policies: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Stable, secret-free id of the token; the cubbyhole goes by it. */
  readonly tokenKey: string;
  readonly tokenType: 'service' | 'batch';
  /** What a template such as `identity.entity.name` means for the caller; absent for one without an entity. */
  identityValue?(template: string): string | undefined;
}

/** As policies and audit name them. POST and PUT arrive as `create` where the path can tell that nothing is there. */
export type Operation = 'create' | 'read' | 'update' | 'patch' | 'delete' | 'list' | 'scan' | 'help';

export type Handler<F extends Fields> = (
  context: RequestContext,
  input: Input<F>,
) => Reply | undefined | Promise<Reply | undefined>;

export interface OperationSpec<F extends Fields> {
  readonly summary?: string;
  readonly handler: Handler<F>;
  /** Of the path's operations, this one needs `sudo` as well. */
  readonly sudo?: boolean;
  /** Touches an outside system: its request is audited first, and only then may the handler be asynchronous. */
  readonly outside?: boolean;
  /** Its reply has a lease: where there can be no more leases, it is refused before it runs. */
  readonly leased?: boolean;
  /**
   * Works long in the thread pool or in slices, though on nothing outside: the handler may be asynchronous. Others are
   * served while it waits; so after its last wait it reads, decides, writes and calls `persist` without another.
   */
  readonly slow?: boolean;
  /** A read that only the active node can answer. */
  readonly activeOnly?: boolean;
}

/** `write` serves create and update. */
export type OperationName = 'read' | 'write' | 'patch' | 'delete' | 'list' | 'scan';

export interface PathSpec<F extends Fields> {
  /** `creds/{name}`; a `{path+}` takes one or more segments, a last `{path...}` the rest. LIST matches with or without its trailing slash. */
  readonly pattern: string;
  readonly summary: string;
  readonly description?: string;
  readonly fields: F;
  readonly operations: Readonly<Partial<Record<OperationName, OperationSpec<F>>>>;
  /** No token needed. */
  readonly public?: boolean;
  /** 400 with this text where the caller's token is no good; absent: 403 (a path whose very subject is that token). */
  readonly badToken?: string;
  /** The token's policies must grant `sudo` as well. */
  readonly sudo?: boolean;
  /** Left out of help and the OpenAPI document: it only explains a mistake. */
  readonly unlisted?: boolean;
  /** Any body members are data, not unknown parameters (KV v1, cubbyhole). */
  readonly freeForm?: boolean;
  /** Tells `create` from `update`; absent: every write is an update. */
  exists?(context: RequestContext, input: Input<F>): boolean;
  /** A login path: the canonical alias name of who tries, for lockout and quotas, without deciding anything. */
  loginName?(context: RequestContext, input: Input<F>): string | undefined;
  /** A login path of a method that has roles: the one it is for, for quotas, without deciding anything. */
  loginRole?(context: RequestContext, input: Input<F>): string | undefined;
}

/** A path with its field types forgotten: what the host works with. */
export type EnginePath = PathSpec<Fields>;

/** Declares a path; handlers get input typed by `fields`. */
export function path<F extends Fields>(spec: PathSpec<F>): EnginePath {
  return spec as unknown as EnginePath;
}

export interface LeaseKind {
  /** Revocation touches an outside system and may take time; without it, `revoke` is synchronous. */
  readonly outside?: boolean;
  /** Ends the credential outside. "It does not exist" is success. A throw is retried with back-off, for ever, visibly. */
  revoke(context: WorkContext, internal: UnknownRecord): void | Promise<void>;
  /** Absent: not renewable. May change what the lease allows; the host keeps ttl within the maximum. */
  renew?(
    context: WorkContext,
    lease: {
      internal: UnknownRecord;
      ttl: number;
      issuedAtMs: number;
      incrementSeconds: number;
      expiresAtMs: number;
    },
  ): Pick<LeaseGrant, 'ttl' | 'maxTtl'> | Promise<Pick<LeaseGrant, 'ttl' | 'maxTtl'>>;
}

export interface PeriodicWork {
  readonly name: string;
  readonly everySeconds: number;
  run(context: WorkContext): void | Promise<void>;
}
