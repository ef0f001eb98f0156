/**
 * Response wrapping: a reply is kept under a single-use token and only that token's holder gets it, once. Owns the kept
 * replies; the tokens are tokens/', and which requests are wrapped the pipeline decides.
 */
import type { Session } from '../barrier/session.ts';
import { type Clock, rfc3339 } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { inNamespace, namespaceIdOf, type Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';

export interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  /** Seconds. */
  readonly ttl: number;
  readonly creation_time: string;
  readonly creation_path: string;
  readonly wrapped_accessor?: string;
}

interface Wrapped {
  readonly body: UnknownRecord;
  readonly createdAtMs: number;
  readonly ttl: number;
  readonly path: string;
}

/** The text is matched on by Vault's clients. */
export const BAD_WRAPPING_TOKEN = 'wrapping token is not valid or does not exist';

const KEPT = 'wrapping/';
const POLICY = 'response-wrapping';

export class Wrapping {
  readonly #tokens: Tokens;
  readonly #clock: Clock;

  constructor(parts: { tokens: Tokens; clock: Clock }) {
    this.#tokens = parts.tokens;
    this.#clock = parts.clock;
  }

  /** Keeps `body` (a whole API reply without its request id) for `ttl` seconds under a new token. */
  wrap(
    session: Session,
    namespaceId: string,
    reply: { body: UnknownRecord; path: string; ttl: number },
  ): WrapInfo {
    const { id, token } = this.#tokens.create(session, {
      ...inNamespace(namespaceId),
      type: 'service',
      parent: undefined,
      policies: [POLICY],
      path: reply.path,
      meta: null,
      displayName: '',
      numUses: 1,
      ttl: reply.ttl,
      explicitMaxTtl: reply.ttl,
      period: 0,
      renewable: false,
      entityId: '',
      role: '',
      boundCidrs: [],
      wrapped: true,
    });
    const createdAtMs = token.createdAtMs;
    const kept: Wrapped = { body: reply.body, createdAtMs, ttl: reply.ttl, path: reply.path };
    session.view(KEPT).put(token.key, kept);
    const auth = reply.body.auth as { accessor?: string } | null | undefined;
    return {
      token: id,
      accessor: token.accessor,
      ttl: reply.ttl,
      creation_time: rfc3339(createdAtMs),
      creation_path: reply.path,
      ...(auth?.accessor ? { wrapped_accessor: auth.accessor } : {}),
    };
  }

  /** What a wrapping token is for, without using it up. */
  lookup(
    session: Session,
    namespaceId: string,
    id: string,
  ): { creation_path: string; creation_time: string; creation_ttl: number } {
    const { kept } = this.#find(session, namespaceId, id);
    return { creation_path: kept.path, creation_time: rfc3339(kept.createdAtMs), creation_ttl: kept.ttl };
  }

  /** Gives the reply back and uses the token up. Two callers at once: one gets it. */
  unwrap(session: Session, namespaceId: string, id: string): UnknownRecord {
    const { token, kept } = this.#find(session, namespaceId, id);
    this.#tokens.revoke(session, token.key);
    return kept.body;
  }

  /** The same reply under a new token; the old one is used up. */
  rewrap(session: Session, namespaceId: string, id: string): WrapInfo {
    const { token, kept } = this.#find(session, namespaceId, id);
    this.#tokens.revoke(session, token.key);
    return this.wrap(session, namespaceId, { body: kept.body, path: kept.path, ttl: kept.ttl });
  }

  isWrappingToken(token: Token): boolean {
    return token.wrapped === true;
  }

  /** The token ended: so does what it kept. */
  clear(session: Session, tokenKey: string): void {
    session.view(KEPT).delete(tokenKey);
  }

  #find(session: Session, namespaceId: string, id: string): { token: Token; kept: Wrapped } {
    const token = this.#tokens.find(session, id);
    const isHere = token?.wrapped && namespaceIdOf(token) === namespaceId;
    const kept = isHere ? session.view(KEPT).get<Wrapped>(token.key) : undefined;
    if (!token || !kept || kept.createdAtMs + kept.ttl * 1000 <= this.#clock.now()) {
      throw new InvalidRequest(BAD_WRAPPING_TOKEN);
    }
    return { token, kept };
  }
}
