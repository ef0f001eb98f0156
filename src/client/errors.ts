import { CofferError } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';

export interface ApiFailure {
  readonly status: number;
  /** The texts of the reply's `errors`; empty where the server gave none. */
  readonly errors: readonly string[];
  readonly method: string;
  readonly url: string;
  readonly namespace: string;
  /** The reply's parsed body; some 404 replies carry `data` or `warnings` beside `errors`. */
  readonly body: UnknownRecord;
  /** The reply as it came, for replies that are not the API's JSON. */
  readonly raw: string;
}

/** The server answered with a status of 400 or above. The message has the layout that Vault's own client prints. */
export class ApiError extends CofferError {
  readonly code = 'api_error';
  readonly failure: ApiFailure;
  constructor(failure: ApiFailure) {
    super(describe(failure));
    this.failure = failure;
  }
  get status(): number {
    return this.failure.status;
  }
  get errors(): readonly string[] {
    return this.failure.errors;
  }
}

/** No answer came: nothing listens there, the certificate was refused, time ran out. */
export class ConnectionError extends CofferError {
  readonly code = 'connection_failed';
  readonly address: string;
  /** Node's or OpenSSL's code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`, …), `TIMEOUT`, or `PLAIN_ANSWER` where TLS was not understood. */
  readonly reason: string;
  constructor(failure: {
    method: string;
    url: string;
    address: string;
    reason: string;
    detail: string;
    cause?: unknown;
  }) {
    super(`${failure.method} "${failure.url}": ${failure.detail}`, { cause: failure.cause });
    this.address = failure.address;
    this.reason = failure.reason;
  }
}

/** A setting of the environment or the command line cannot be used; nothing was sent. */
export class SettingError extends CofferError {
  readonly code = 'setting_invalid';
}

function describe(failure: ApiFailure): string {
  const namespace = failure.namespace ? `Namespace: ${failure.namespace}\n` : '';
  const head = `Error making API request.\n\n${namespace}URL: ${failure.method} ${failure.url}\nCode: ${failure.status}.`;
  if (failure.errors.length === 0 && failure.raw && Object.keys(failure.body).length === 0) {
    return `${head} Raw Message:\n\n${failure.raw.trimEnd()}`;
  }
  return `${head} Errors:\n\n${failure.errors.map((text) => `* ${text}`).join('\n')}`.trimEnd();
}
