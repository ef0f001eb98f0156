import type { Session } from '../../barrier/session.ts';
import type { Page, View } from '../../barrier/view.ts';
import type { Algorithm } from './algorithms.ts';

/**
 * What identity tokens and the OpenID provider keep of a namespace: one record each, authorization codes with an index by
 * expiry. What is built in (the `default` key and provider, the `allow_all` assignment) is stored once somebody changed it.
 */
export interface SigningKey {
  readonly name: string;
  readonly algorithm: Algorithm;
  /** Seconds. */
  readonly rotationPeriod: number;
  /** Seconds for which a public key stays published after its time. */
  readonly verificationTtl: number;
  /** `*` for all. */
  readonly allowedClientIds: readonly string[];
  /** Absent until the key is first needed. */
  readonly pairs?: KeyPairs;
}

export interface KeyPairs {
  /** Signs now. */
  readonly current: KeyPair;
  /** Signs next; published before, since those who verify keep what they once fetched. */
  readonly next: KeyPair;
  readonly retired: readonly RetiredKey[];
  readonly rotateAtMs: number;
}

export interface KeyPair {
  readonly kid: string;
  /** PKCS #8 and SPKI, as PEM. */
  readonly privateKey: string;
  readonly publicKey: string;
}

export interface RetiredKey {
  readonly kid: string;
  readonly publicKey: string;
  readonly expiresAtMs: number;
}

/** What identity tokens are made by. */
export interface TokenRole {
  readonly name: string;
  readonly key: string;
  readonly template: string;
  readonly clientId: string;
  /** Seconds. */
  readonly ttl: number;
}

/** A relying party of the provider. */
export interface Client {
  readonly name: string;
  readonly clientId: string;
  /** '' for a public client. */
  readonly clientSecret: string;
  readonly clientType: 'confidential' | 'public';
  readonly key: string;
  readonly redirectUris: readonly string[];
  readonly assignments: readonly string[];
  /** Seconds. */
  readonly idTokenTtl: number;
  readonly accessTokenTtl: number;
  /** Grant types it may use. */
  readonly authorizationCode: boolean;
  readonly clientCredentials: boolean;
}

export interface Provider {
  readonly name: string;
  /** `scheme://host:port`; '' for the server's own. */
  readonly issuer: string;
  readonly allowedClientIds: readonly string[];
  readonly scopesSupported: readonly string[];
}

export interface Scope {
  readonly name: string;
  readonly description: string;
  readonly template: string;
}

export interface Assignment {
  readonly name: string;
  readonly entityIds: readonly string[];
  readonly groupIds: readonly string[];
}

/** Redeemed once, for tokens. */
export interface AuthorizationCode {
  readonly provider: string;
  readonly clientId: string;
  readonly entityId: string;
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly nonce: string;
  /** Seconds since the epoch; undefined where the request did not ask. */
  readonly authTime?: number | undefined;
  readonly challenge?: { readonly method: 'plain' | 'S256'; readonly value: string } | undefined;
  readonly expiresAtMs: number;
}

export interface OidcConfig {
  readonly issuer: string;
}

/** The kinds of named records, with their types. */
interface Named {
  key: SigningKey;
  role: TokenRole;
  client: Client;
  provider: Provider;
  scope: Scope;
  assignment: Assignment;
}
export type NamedKind = keyof Named;

export const ALLOW_ALL = 'allow_all';
export const DEFAULT = 'default';
/** The scope that every request has to ask for; reserved. */
export const OPENID = 'openid';

const DAY_SECONDS = 86_400;

const BUILT_IN: { readonly [K in NamedKind]?: Named[K] } = {
  key: {
    name: DEFAULT,
    algorithm: 'RS256',
    rotationPeriod: DAY_SECONDS,
    verificationTtl: DAY_SECONDS,
    allowedClientIds: ['*'],
  },
  provider: { name: DEFAULT, issuer: '', allowedClientIds: ['*'], scopesSupported: [] },
  assignment: { name: ALLOW_ALL, entityIds: ['*'], groupIds: ['*'] },
};

/** One namespace's records, as one request sees them. */
export class OidcRecords {
  readonly #view: View;

  constructor(session: Session, namespaceId: string) {
    this.#view = session.view(`identity/${namespaceId}/oidc/`);
  }

  get config(): OidcConfig {
    return this.#view.get<OidcConfig>('config') ?? { issuer: '' };
  }
  putConfig(config: OidcConfig): void {
    this.#view.put('config', config);
  }

  get<K extends NamedKind>(kind: K, name: string): Named[K] | undefined {
    const builtIn = BUILT_IN[kind];
    return this.#view.get<Named[K]>(`${kind}/${name}`) ?? (builtIn?.name === name ? builtIn : undefined);
  }

  put<K extends NamedKind>(kind: K, record: Named[K]): void {
    this.#view.put(`${kind}/${record.name}`, record);
  }

  delete(kind: NamedKind, name: string): void {
    this.#view.delete(`${kind}/${name}`);
  }

  /** Sorted; with the one that is built in. */
  names(kind: NamedKind, { after, limit = Number.POSITIVE_INFINITY }: Page = {}): string[] {
    const stored = this.#view.list(`${kind}/`, { after, limit });
    const builtIn = BUILT_IN[kind]?.name;
    if (builtIn === undefined || stored.includes(builtIn) || (after !== undefined && builtIn <= after))
      return stored;
    const all = [...stored, builtIn].sort();
    return all.slice(0, limit);
  }

  *all<K extends NamedKind>(kind: K): Iterable<Named[K]> {
    for (const name of this.names(kind)) {
      const record = this.get(kind, name);
      if (record) yield record;
    }
  }

  clientById(clientId: string): Client | undefined {
    const name = this.#view.getIndex(`client-id/${clientId}`);
    const client = name === undefined ? undefined : this.get('client', name);
    return client?.clientId === clientId ? client : undefined;
  }

  putClient(client: Client): void {
    this.put('client', client);
    this.#view.putIndex(`client-id/${client.clientId}`, client.name);
  }

  deleteClient(client: Client): void {
    this.delete('client', client.name);
    this.#view.delete(`client-id/${client.clientId}`);
  }

  putCode(digest: string, code: AuthorizationCode): void {
    this.#view.put(`code/${digest}`, code);
    this.#view.putIndex(expiryKey(digest, code));
  }

  /** Takes the code away: whoever comes second finds none. */
  takeCode(digest: string, nowMs: number): AuthorizationCode | undefined {
    const code = this.#view.get<AuthorizationCode>(`code/${digest}`);
    if (!code) return undefined;
    this.#view.delete(`code/${digest}`);
    this.#view.delete(expiryKey(digest, code));
    return code.expiresAtMs > nowMs ? code : undefined;
  }

  /** Removes up to `limit` codes that nobody redeemed in time; how many there were. */
  sweepCodes(nowMs: number, limit: number): number {
    let swept = 0;
    for (const key of [...this.#view.keys('code-expiry/', { limit })]) {
      const [, ms = '', digest = ''] = key.split('/');
      if (Number(ms) > nowMs) break;
      this.#view.delete(`code/${digest}`);
      this.#view.delete(key);
      swept++;
    }
    return swept;
  }
}

function expiryKey(digest: string, { expiresAtMs }: AuthorizationCode): string {
  return `code-expiry/${String(expiresAtMs).padStart(15, '0')}/${digest}`;
}
