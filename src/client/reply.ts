import { isRecord, type UnknownRecord } from '../base/json.ts';

/** What a login or a new token comes with. */
export interface AuthBlock extends UnknownRecord {
  client_token: string;
  accessor: string;
  policies: string[] | null;
  token_policies: string[] | null;
  identity_policies?: string[] | null;
  metadata: Record<string, string> | null;
  /** Seconds; 0 means the token does not expire. */
  lease_duration: number;
  renewable: boolean;
}

/** Stands in for the reply of a wrapped request. */
export interface WrapBlock extends UnknownRecord {
  token: string;
  accessor: string;
  /** Seconds. */
  ttl: number;
  creation_time: string;
  creation_path: string;
  wrapped_accessor?: string;
}

/** One answer of the API with a status below 400. */
export interface Reply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** The body as it came. */
  readonly raw: string;
  /** The body parsed; empty where there was none (204) or it was no JSON object. */
  readonly body: UnknownRecord;
  /** `body.data`, or nothing. */
  readonly data: UnknownRecord | undefined;
  readonly auth: AuthBlock | undefined;
  readonly wrapInfo: WrapBlock | undefined;
  readonly warnings: readonly string[];
}

export function replyFrom(answer: {
  status: number;
  headers: ReadonlyMap<string, string>;
  raw: string;
}): Reply {
  const body = parseBody(answer.raw);
  return {
    ...answer,
    body,
    data: isRecord(body.data) ? body.data : undefined,
    auth: isAuthBlock(body.auth) ? body.auth : undefined,
    wrapInfo: isWrapBlock(body.wrap_info) ? body.wrap_info : undefined,
    warnings: stringsOf(body.warnings),
  };
}

/**
 * Parses a JSON object; anything else gives an empty one. Whole numbers that a double cannot hold are kept as raw JSON
 * (`JSON.rawJSON`), so that a serial number of twenty digits is printed as it was sent.
 */
export function parseBody(raw: string): UnknownRecord {
  if (!/^\s*\{/.test(raw)) return {};
  try {
    const value: unknown = /\d{16}/.test(raw) ? JSON.parse(raw, keepLargeNumbers) : JSON.parse(raw);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

/** The strings of a list; other things in it are left out. */
export function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

interface RawJsonApi {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { rawJSON: string };
}
/** TypeScript's library does not declare these two members of `JSON` yet. */
const json = JSON as unknown as RawJsonApi;

/** The digits of a number that `parseBody` kept raw, or nothing. */
export function rawNumber(value: unknown): string | undefined {
  return json.isRawJSON(value) ? value.rawJSON : undefined;
}

function keepLargeNumbers(_name: string, value: unknown, context?: { source?: string }): unknown {
  const unsafe = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  return unsafe && context?.source ? json.rawJSON(context.source) : value;
}

function isAuthBlock(value: unknown): value is AuthBlock {
  return isRecord(value) && typeof value.client_token === 'string';
}
function isWrapBlock(value: unknown): value is WrapBlock {
  return isRecord(value) && typeof value.token === 'string' && value.token !== '';
}
