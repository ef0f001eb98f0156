/**
 * One class per outcome, each with a stable `code`. `http/errors.ts` alone turns codes into status and the API's
 * `{"errors": [...]}`. Messages are shown to callers: they carry no secret and, for cryptography, no reason.
 */
export abstract class CofferError extends Error {
  abstract readonly code: string;
  /** Data that goes into the error reply beside `errors` (health, `sys/wrapping`, …); rarely needed. */
  readonly data?: Record<string, unknown>;
  readonly warnings?: readonly string[];
  constructor(
    message: string,
    options: ErrorOptions & { data?: Record<string, unknown>; warnings?: readonly string[] } = {},
  ) {
    super(message, options);
    this.name = new.target.name;
    if (options.data) this.data = options.data;
    if (options.warnings) this.warnings = options.warnings;
  }
}

/** 400: the request makes no sense as it stands. */
export class InvalidRequest extends CofferError {
  readonly code = 'invalid_request';
}
/** 400: a login with credentials that are wrong; counts towards lockout. The text never says which part was wrong. */
export class InvalidCredentials extends CofferError {
  readonly code = 'invalid_credentials';
}
/** 403: who asks may not. Nothing but this text is told; `sys/policies/explain` tells the rest. */
export class PermissionDenied extends CofferError {
  readonly code = 'permission_denied';
  constructor(message = 'permission denied', options = {}) {
    super(message, options);
  }
}
/** 404: no route there, with a text. */
export class UnsupportedPath extends CofferError {
  readonly code = 'unsupported_path';
  constructor(message = 'unsupported path', options = {}) {
    super(message, options);
  }
}
/** 405: the path exists, the operation does not. */
export class UnsupportedOperation extends CofferError {
  readonly code = 'unsupported_operation';
  constructor(message = 'unsupported operation', options = {}) {
    super(message, options);
  }
}
/** 404: nothing there; `{"errors":[]}`, with `data` beside it if given. */
export class NotFound extends CofferError {
  readonly code = 'not_found';
  constructor(message = '', options = {}) {
    super(message, options);
  }
}
/** 412: a condition the client set does not hold (missing index; not for cas, which is 400). */
export class PreconditionFailed extends CofferError {
  readonly code = 'precondition_failed';
}
/** 413: body, field or value over its limit. */
export class TooLarge extends CofferError {
  readonly code = 'too_large';
}
/** 415/400 */
export class UnsupportedMedia extends CofferError {
  readonly code = 'unsupported_media';
}
/** 429: a quota. */
export class QuotaExceeded extends CofferError {
  readonly code = 'quota_exceeded';
}
/** 503: too much to do; the request may be tried again later. */
export class Overloaded extends CofferError {
  readonly code = 'overloaded';
  constructor(message = 'overloaded, try again later', options = {}) {
    super(message, options);
  }
}
/** 503: sealed. */
export class Sealed extends CofferError {
  readonly code = 'sealed';
  constructor(message = 'Vault is sealed', options = {}) {
    super(message, options);
  }
}
/** 503: an operator has locked the API of a namespace. */
export class ApiLocked extends CofferError {
  readonly code = 'api_locked';
}
/** 400 before initialisation on most paths; 503 on health-like ones. */
export class NotInitialized extends CofferError {
  readonly code = 'not_initialized';
  constructor(message = 'server is not yet initialized', options = {}) {
    super(message, options);
  }
}
/** 502: an outside system said no or did not answer; the message is safe to show. */
export class OutsideFailure extends CofferError {
  readonly code = 'outside_failure';
}
/** 500: a corrupt record. The key name goes to the log, not to the caller. */
export class CorruptRecord extends CofferError {
  readonly code = 'corrupt_record';
  readonly key: string;
  constructor(key: string, options = {}) {
    super('a stored record is damaged; an operator can find it in the server log', options);
    this.key = key;
  }
}
/** What `read` gives; `instead` where the record is damaged, which is logged and in quarantine, and can be done without. */
export function unlessCorrupt<T>(read: () => T, instead: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CorruptRecord) return instead;
    throw error;
  }
}
/** Does `instead` where `work` meets a damaged record: what is to go must not stay because nobody can read it. */
export function orIfCorrupt(work: () => void, instead: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CorruptRecord)) throw error;
    instead();
  }
}
/** 500: stepping down, commit failed, shutting down: the request may be tried again elsewhere. */
export class Unavailable extends CofferError {
  readonly code = 'unavailable';
}
/** 500 with a text that the API's clients match on. */
export class InternalFailure extends CofferError {
  readonly code = 'internal_failure';
}
