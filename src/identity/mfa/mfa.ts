/**
 * Second factors of logins: which logins need them, what they need, and whether it was given. This folder owns methods,
 * enforcements, keys and waiting logins; when a login is held back is the pipeline's, the API's paths are sys/'.
 */
import type { Session } from '../../barrier/session.ts';
import type { Clock } from '../../base/clock.ts';
import { InvalidRequest, OutsideFailure, PermissionDenied } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import type { Random } from '../../base/random.ts';
import type { OpenMount } from '../../mounts/mounts.ts';
import { placeholderValue } from '../../policies/templates.ts';
import type { Rights } from '../rights.ts';
import { checkDuo } from './duo.ts';
import { checkOkta } from './okta.ts';
import { checkPingId } from './pingid.ts';
import { type Enforcement, type FactorMethod, MfaRecords, type WaitingLogin } from './records.ts';
import type { Fetch } from './service.ts';
import { checkTotp } from './totp.ts';

/** What somebody gave, by method id or name; '' for a factor without a passcode. */
export type Credentials = ReadonlyMap<string, string>;

export interface LoginMfaParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: Fetch;
}

/** Somebody who has given the first factor. */
export interface Candidate {
  readonly rights: Rights;
  readonly address: string;
}

const WAIT_MS = 5 * 60_000;
const SWEEP_SLICE = 500;

export class LoginMfa {
  readonly #parts: LoginMfaParts;

  constructor(parts: LoginMfaParts) {
    this.#parts = parts;
  }

  records(session: Session, namespaceId: string): MfaRecords {
    return new MfaRecords(session, namespaceId);
  }

  /** The enforcements that hold for a login; usually none, which costs one look. */
  enforcementsFor(session: Session, { entry, info }: OpenMount, rights: Rights): Enforcement[] {
    const records = this.records(session, info.namespace.id);
    if (!records.enforces) return [];
    const groupIds = new Set(rights.template.groups.map(({ id }) => id));
    return [...records.enforcements()].filter(
      (each) =>
        each.mountAccessors.includes(entry.accessor) ||
        each.mountTypes.includes(entry.type) ||
        each.entityIds.includes(rights.entity.id) ||
        each.groupIds.some((id) => groupIds.has(id)),
    );
  }

  /** Holds a login back; the API's `mfa_requirement`, by which it can be finished. */
  hold(
    session: Session,
    enforcements: readonly Enforcement[],
    login: Omit<WaitingLogin, 'expiresAtMs'>,
    namespaceId: string,
  ): UnknownRecord {
    const records = this.records(session, namespaceId);
    const requestId = this.#parts.random.uuid();
    records.putWaiting(requestId, { ...login, expiresAtMs: this.#parts.clock.now() + WAIT_MS });
    const constraints = enforcements.map(({ name, methodIds }) => [
      name,
      { any: methodIds.flatMap((id) => shownFactor(records, id, login.entityId)) },
    ]);
    return { mfa_request_id: requestId, mfa_constraints: Object.fromEntries(constraints) };
  }

  /** The login that waits under an id; undefined when its time is over. */
  waiting(session: Session, namespaceId: string, requestId: string): WaitingLogin | undefined {
    const login = this.records(session, namespaceId).waiting(requestId);
    return login && login.expiresAtMs > this.#parts.clock.now() ? login : undefined;
  }

  /**
   * Each enforcement by one of its methods. What is noted of right and wrong codes is applied at once, so that it stays
   * when the request fails. Synchronous unless a method asks a service. Throws `PermissionDenied`.
   */
  satisfy(
    session: Session,
    namespaceId: string,
    {
      enforcements,
      credentials,
      candidate,
    }: { enforcements: readonly Enforcement[]; credentials: Credentials; candidate: Candidate },
  ): Promise<void> {
    const records = this.records(session, namespaceId);
    return enforcements.reduce(
      (earlier, enforcement) =>
        earlier.then(() => this.#satisfyOne(session, records, enforcement, credentials, candidate)),
      Promise.resolve(),
    );
  }

  /** Removes what nobody finished. */
  sweep(session: Session, namespaceId: string): void {
    this.records(session, namespaceId).sweepWaiting(this.#parts.clock.now(), SWEEP_SLICE);
  }

  async #satisfyOne(
    session: Session,
    records: MfaRecords,
    { name, methodIds }: Enforcement,
    credentials: Credentials,
    candidate: Candidate,
  ): Promise<void> {
    const reasons: string[] = [];
    for (const id of methodIds) {
      const method = records.method(id);
      const passcode = method && (credentials.get(method.id) ?? credentials.get(method.name || method.id));
      if (!method || passcode === undefined) continue;
      try {
        await this.#check(session, records, method, { passcode: passcodeOf(passcode), candidate });
        return;
      } catch (error) {
        if (!(error instanceof PermissionDenied || error instanceof OutsideFailure)) throw error;
        reasons.push(`login MFA validation failed for methodID: [${id}]: ${error.message}`);
      }
    }
    const told = reasons.length > 0 ? reasons.join('; ') : 'no credentials for any of its methods were given';
    throw new PermissionDenied(`failed to satisfy enforcement ${name}. error: ${told}`);
  }

  #check(
    session: Session,
    records: MfaRecords,
    method: FactorMethod,
    { passcode, candidate }: { passcode: string; candidate: Candidate },
  ): Promise<void> | void {
    const { clock } = this.#parts;
    switch (method.type) {
      case 'totp':
        try {
          return checkTotp(records, method, {
            entityId: keyOwner(records, method.id, candidate),
            passcode,
            clock,
          });
        } finally {
          session.apply();
        }
      case 'duo': {
        const username = usernameOf(method.usernameFormat, candidate);
        return checkDuo(method, { username, passcode, address: candidate.address }, this.#parts);
      }
      case 'okta':
        return checkOkta(method, usernameOf(method.usernameFormat, candidate), this.#parts);
      case 'pingid':
        return checkPingId(method, usernameOf(method.usernameFormat, candidate), this.#parts);
    }
  }
}

/** The entity, or one that was merged into it, whose key it is. */
function keyOwner(records: MfaRecords, methodId: string, { rights: { entity } }: Candidate): string {
  return [entity.id, ...entity.mergedIds].find((id) => records.totpKey(methodId, id)) ?? entity.id;
}

/** `X-Vault-MFA`: `method[:passcode]`, several with commas between. Throws `InvalidRequest`. */
export function credentialsFromHeader(header: string): Credentials {
  const given = header.split(',').map((item): [string, string] => {
    const [, method = '', passcode = ''] = /^\s*([^:\s]+)(?::(.*?))?\s*$/.exec(item) ?? [];
    if (method === '') throw new InvalidRequest('invalid X-Vault-MFA header');
    return [method, passcode];
  });
  return new Map(given);
}

/** Both `123456` and `passcode=123456`, as documented. */
function passcodeOf(given: string): string {
  return given.replace(/^passcode=/, '').trim();
}

/** What the service calls the user. Throws `PermissionDenied` where the entity has no such value. */
function usernameOf(format: string, { rights }: Candidate): string {
  if (format === '') return rights.entity.name;
  return format.replaceAll(/\{\{\s*(.*?)\s*\}\}/g, (_, name: string) => {
    const value = placeholderValue(name, rights.template);
    if (value === undefined) throw new PermissionDenied('the entity has no name at this MFA method');
    return value;
  });
}

function shownFactor(records: MfaRecords, id: string, entityId: string): UnknownRecord[] {
  const method = records.method(id);
  if (!method) return [];
  const key = records.totpKey(id, entityId);
  const canEnroll = method.type === 'totp' && method.selfEnrollment && (!key || key.provisional);
  return [
    {
      type: method.type,
      id: method.id,
      uses_passcode: method.type === 'totp' || (method.type === 'duo' && method.usePasscode),
      ...(method.name !== '' && { name: method.name }),
      ...(canEnroll && { self_enrollment_enabled: true }),
    },
  ];
}
