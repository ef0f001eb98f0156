import { CofferError } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { WireReply } from '../pipeline/wire.ts';

/**
 * A message that breaks HTTP itself or a limit of the listener. The connection cannot go on after it, because where
 * the next request begins is unknown or does not matter any more.
 */
export class ProtocolError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.status = status;
  }
}

/** The one table from outcome to status. What is not in it is a bare 500. */
const STATUS_BY_CODE: ReadonlyMap<string, number> = new Map([
  ['invalid_request', 400],
  ['invalid_credentials', 400],
  ['permission_denied', 403],
  ['unsupported_path', 404],
  ['not_found', 404],
  ['unsupported_operation', 405],
  ['precondition_failed', 412],
  ['too_large', 413],
  ['unsupported_media', 415],
  ['quota_exceeded', 429],
  ['overloaded', 503],
  ['sealed', 503],
  ['api_locked', 503],
  ['not_initialized', 400],
  ['outside_failure', 502],
  ['corrupt_record', 500],
  ['unavailable', 500],
  ['internal_failure', 500],
]);

/**
 * Any failure as the API shows it: `{"errors": [...]}`, with `data` and `warnings` beside it where the error has
 * them. Nothing of an error that we do not know is shown.
 */
export function errorReply(error: unknown): WireReply {
  if (error instanceof ProtocolError) return { status: error.status, body: { errors: [error.message] } };
  const status = error instanceof CofferError ? STATUS_BY_CODE.get(error.code) : undefined;
  if (status === undefined) return { status: 500, body: { errors: ['internal error'] } };
  const { message, data, warnings } = error as CofferError;
  const body: UnknownRecord = { errors: message === '' ? [] : [message] };
  if (data) body.data = data;
  if (warnings) body.warnings = warnings;
  return { status, body };
}

/** Whether `errorReply` had to hide the error, so that its detail belongs in the log. */
export function isUnexpected(error: unknown): boolean {
  if (error instanceof ProtocolError) return false;
  return !(error instanceof CofferError) || !STATUS_BY_CODE.has(error.code);
}
