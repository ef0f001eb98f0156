import type { Session } from '../barrier/session.ts';
import { InvalidRequest, unlessCorrupt } from '../base/errors.ts';

/** Which request headers entries show, by lower-case name; none unless configured. */
export type AuditedHeaders = ReadonlyMap<string, AuditedHeader>;
export interface AuditedHeader {
  /** Show the hash of the value. */
  readonly hmac: boolean;
}

const RECORD_FOLDER = 'core/audited-headers/';
const RECORD = 'config';
const HEADERS_MAX = 256;

/** The configuration behind `sys/config/auditing/request-headers`; devices read it live. */
export class HeaderConfig {
  readonly #byName = new Map<string, AuditedHeader>();

  /** What devices look at: changes show at once. */
  get audited(): AuditedHeaders {
    return this.#byName;
  }

  load(session: Session): void {
    const view = session.view(RECORD_FOLDER);
    const stored = unlessCorrupt(() => view.get<Record<string, AuditedHeader>>(RECORD), undefined) ?? {};
    this.#byName.clear();
    for (const [name, { hmac }] of Object.entries(stored)) this.#byName.set(name, { hmac });
  }

  get(name: string): AuditedHeader | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** Throws `InvalidRequest` for what cannot be a header's name (RFC 9110, section 5.6.2). */
  set(session: Session, name: string, header: AuditedHeader): void {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(lower)) throw new InvalidRequest('invalid header name');
    if (!this.#byName.has(lower) && this.#byName.size >= HEADERS_MAX) {
      throw new InvalidRequest(`at most ${HEADERS_MAX} headers can be audited`);
    }
    this.#byName.set(lower, { hmac: header.hmac });
    this.#store(session);
  }

  remove(session: Session, name: string): void {
    if (this.#byName.delete(name.toLowerCase())) this.#store(session);
  }

  clear(): void {
    this.#byName.clear();
  }

  #store(session: Session): void {
    session.view(RECORD_FOLDER).put(RECORD, Object.fromEntries(this.#byName));
  }
}
