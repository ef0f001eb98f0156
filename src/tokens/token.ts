import type { Session } from '../barrier/session.ts';
import type { TokenParameters } from '../engine/login.ts';
import { idSuffix, ROOT_ID } from '../namespaces/namespace.ts';

/** Where service tokens lie, by key. */
export const TOKEN_RECORDS = 'tokens/key/';

/** Whatever its age. Throws `CorruptRecord`. */
export function storedToken(session: Session, key: string): StoredToken | undefined {
  return session.view(TOKEN_RECORDS).get<StoredToken>(key);
}

/** A service token as stored under its key; the token itself is nowhere. */
export interface StoredToken {
  /** Absent: the root's. Its policies are that namespace's, and it is good there and below. */
  readonly namespaceId?: string;
  readonly accessor: string;
  /** Key of the parent; undefined for orphans. */
  readonly parent?: string | undefined;
  readonly policies: readonly string[];
  /** Request path that made it; its lease id starts with it. */
  readonly path: string;
  readonly meta: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  /** Requests left; 0 is unlimited; -1: the last one is under way. */
  readonly numUses: number;
  readonly createdAtMs: number;
  readonly renewedAtMs: number;
  /** 0: never. */
  readonly expiresAtMs: number;
  /** Seconds granted at creation. */
  readonly creationTtl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly renewable: boolean;
  readonly entityId: string;
  readonly role: string;
  readonly boundCidrs: readonly string[];
  readonly wrapped?: boolean;
  readonly login?: LoginOrigin;
  /** HCL: what it may do instead of what policies say. Set by the host alone. */
  readonly inlinePolicy?: string;
  readonly openId?: OpenIdGrant;
}

/** An application's access token: what it was granted. Set by the host alone. */
export interface OpenIdGrant {
  readonly provider: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
}

/** Which method a token came from, for renewal to ask it again. */
export interface LoginOrigin {
  readonly mountUuid: string;
  readonly mountAccessor: string;
  readonly aliasName: string;
  /** Where the method has roles. */
  readonly role?: string | undefined;
  readonly internal: Record<string, unknown>;
  readonly parameters: TokenParameters;
}

/** A token as the pipeline knows it, service or batch. */
export interface Token extends StoredToken {
  readonly type: 'service' | 'batch';
  /** HMAC of the token; safe to store and log nowhere needed. */
  readonly key: string;
}

/** What a new token shall be; everything already decided and checked. Durations in seconds. */
export interface NewToken {
  /** Absent: the root. */
  readonly namespaceId?: string;
  readonly type: 'service' | 'batch';
  readonly parent: string | undefined;
  readonly policies: readonly string[];
  readonly path: string;
  readonly meta: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  readonly numUses: number;
  /** 0 with no maximum: never expires (root). */
  readonly ttl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly renewable: boolean;
  readonly entityId: string;
  readonly role: string;
  readonly boundCidrs: readonly string[];
  readonly wrapped?: boolean;
  readonly login?: LoginOrigin;
  readonly inlinePolicy?: string;
  readonly openId?: OpenIdGrant;
  /** Only with sudo: the token's text instead of a random one. */
  readonly id?: string | undefined;
}

export const namespaceIdOf = (token: Pick<Token, 'namespaceId'>): string => token.namespaceId ?? ROOT_ID;

/** For `NewToken` and what is stored: nothing for the root. */
export function inNamespace(namespaceId: string): Pick<NewToken, 'namespaceId'> {
  return namespaceId === ROOT_ID ? {} : { namespaceId };
}

export const leaseIdOf = (token: Pick<Token, 'path' | 'key' | 'namespaceId'>): string =>
  `${token.path}/h${token.key}${idSuffix(namespaceIdOf(token))}`;

/** Policy names are lower case, sorted, each once; `default` joins unless left out, `root` stands alone. */
export function tokenPolicies(names: readonly string[], { withDefault }: { withDefault: boolean }): string[] {
  const unique = new Set(names.map((name) => name.trim().toLowerCase()).filter(Boolean));
  if (unique.has('root')) return ['root'];
  if (withDefault) unique.add('default');
  return [...unique].sort();
}
