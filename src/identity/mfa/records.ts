import type { Session } from '../../barrier/session.ts';
import type { Page, View } from '../../barrier/view.ts';
import type { TotpParameters } from '../../crypto/totp.ts';
import type { IdentityClaim } from '../../engine/login.ts';

/**
 * What login MFA keeps of a namespace: methods with an index by name, enforcements, the keys of one-time passwords by
 * method and entity, and logins that wait for their second factor with an index by expiry. One record each.
 */
export type FactorType = 'totp' | 'duo' | 'okta' | 'pingid';

interface MethodBase {
  readonly id: string;
  /** '' for none; unique otherwise. */
  readonly name: string;
}

export interface TotpMethod extends MethodBase, TotpParameters {
  readonly type: 'totp';
  readonly issuer: string;
  /** Bytes. */
  readonly keySize: number;
  /** Pixels; 0 for no picture. */
  readonly qrSize: number;
  /** Periods by which a clock may be off. */
  readonly skew: number;
  readonly attemptsMax: number;
  /** Whether who has no key yet gets one at the first login. */
  readonly selfEnrollment: boolean;
}

interface NamedUser extends MethodBase {
  /** What the service calls the user, with `{{…}}`; '' for the entity's name. */
  readonly usernameFormat: string;
}

export interface DuoMethod extends NamedUser {
  readonly type: 'duo';
  readonly secretKey: string;
  readonly integrationKey: string;
  readonly apiHostname: string;
  readonly pushInfo: string;
  readonly usePasscode: boolean;
}

export interface OktaMethod extends NamedUser {
  readonly type: 'okta';
  readonly orgName: string;
  readonly apiToken: string;
  readonly baseUrl: string;
  readonly primaryEmail: boolean;
}

export interface PingIdMethod extends NamedUser {
  readonly type: 'pingid';
  /** Of the settings file. The key is base64. */
  readonly useBase64Key: string;
  readonly useSignature: boolean;
  readonly token: string;
  readonly orgAlias: string;
  readonly idpUrl: string;
  readonly adminUrl: string;
  readonly authenticatorUrl: string;
}

export type FactorMethod = TotpMethod | DuoMethod | OktaMethod | PingIdMethod;

/** Whose logins need which methods: one of them is enough. */
export interface Enforcement {
  readonly id: string;
  readonly name: string;
  readonly methodIds: readonly string[];
  readonly mountAccessors: readonly string[];
  readonly mountTypes: readonly string[];
  readonly groupIds: readonly string[];
  readonly entityIds: readonly string[];
}

/** A key of one-time passwords. */
export interface TotpKey {
  /** Base32. */
  readonly secret: string;
  /** The last period whose code was taken: codes are good once. */
  readonly usedCounter: number;
  /** Wrong codes in a row. */
  readonly failures: number;
  /** No code is looked at before this, after too many wrong ones. */
  readonly blockedUntilMs: number;
  /** Made by whoever had the first factor; another can be made until a code of it was right. */
  readonly provisional?: boolean;
}

/** A login whose first factor was right. */
export interface WaitingLogin {
  readonly mountUuid: string;
  /** Request path of the login. */
  readonly path: string;
  readonly claim: IdentityClaim;
  readonly entityId: string;
  readonly remoteAddress: string;
  readonly expiresAtMs: number;
}

export class MfaRecords {
  readonly #view: View;

  constructor(session: Session, namespaceId: string) {
    this.#view = session.view(`identity/${namespaceId}/mfa/`);
  }

  /** By id, or by name. */
  method(idOrName: string): FactorMethod | undefined {
    if (idOrName === '' || idOrName.includes('/')) return undefined;
    const id = this.#view.getIndex(`method-name/${idOrName}`) ?? idOrName;
    const method = this.#view.get<FactorMethod>(`method/${id}`);
    return method && (method.id === idOrName || method.name === idOrName) ? method : undefined;
  }

  methodIds(page?: Page): string[] {
    return this.#view.list('method/', page);
  }

  putMethod(method: FactorMethod, before: FactorMethod | undefined): void {
    this.#view.put(`method/${method.id}`, method);
    if (before?.name === method.name) return;
    if (before?.name) this.#view.delete(`method-name/${before.name}`);
    if (method.name) this.#view.putIndex(`method-name/${method.name}`, method.id);
  }

  deleteMethod(method: FactorMethod): void {
    this.#view.delete(`method/${method.id}`);
    if (method.name) this.#view.delete(`method-name/${method.name}`);
  }

  enforcement(name: string): Enforcement | undefined {
    return this.#view.get<Enforcement>(`enforcement/${name}`);
  }
  enforcementNames(page?: Page): string[] {
    return this.#view.list('enforcement/', page);
  }
  /** Whether there is any: what every login asks. */
  get enforces(): boolean {
    return this.#view.getIndex('enforces') !== undefined;
  }
  *enforcements(): Iterable<Enforcement> {
    if (!this.enforces) return;
    for (const name of this.enforcementNames()) {
      const enforcement = this.enforcement(name);
      if (enforcement) yield enforcement;
    }
  }
  putEnforcement(enforcement: Enforcement): void {
    this.#view.put(`enforcement/${enforcement.name}`, enforcement);
    this.#view.putIndex('enforces');
  }
  deleteEnforcement(name: string): void {
    this.#view.delete(`enforcement/${name}`);
    if (this.enforcementNames({ limit: 1 }).length === 0) this.#view.delete('enforces');
  }

  totpKey(methodId: string, entityId: string): TotpKey | undefined {
    return this.#view.get<TotpKey>(`totp/${entityId}/${methodId}`);
  }
  putTotpKey(methodId: string, entityId: string, key: TotpKey): void {
    this.#view.put(`totp/${entityId}/${methodId}`, key);
  }
  deleteTotpKey(methodId: string, entityId: string): void {
    this.#view.delete(`totp/${entityId}/${methodId}`);
  }
  waiting(requestId: string): WaitingLogin | undefined {
    return requestId.includes('/') ? undefined : this.#view.get<WaitingLogin>(`waiting/${requestId}`);
  }
  putWaiting(requestId: string, login: WaitingLogin): void {
    this.#view.put(`waiting/${requestId}`, login);
    this.#view.putIndex(expiryKey(requestId, login));
  }
  deleteWaiting(requestId: string, login: WaitingLogin): void {
    this.#view.delete(`waiting/${requestId}`);
    this.#view.delete(expiryKey(requestId, login));
  }
  /** Removes up to `limit` logins that nobody finished; how many there were. */
  sweepWaiting(nowMs: number, limit: number): number {
    let swept = 0;
    for (const key of [...this.#view.keys('waiting-expiry/', { limit })]) {
      const [, ms = '', requestId = ''] = key.split('/');
      if (Number(ms) > nowMs) break;
      this.#view.delete(`waiting/${requestId}`);
      this.#view.delete(key);
      swept++;
    }
    return swept;
  }
}

function expiryKey(requestId: string, { expiresAtMs }: WaitingLogin): string {
  return `waiting-expiry/${String(expiresAtMs).padStart(15, '0')}/${requestId}`;
}
