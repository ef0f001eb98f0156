import type { UnknownRecord } from '../base/json.ts';
import type { ListenerRights } from '../mounts/system-context.ts';

/** A request as `http/` hands it in: parsed once, under limits; nothing later looks at the raw bytes again. */
export interface WireRequest {
  /** HEAD arrives as GET; `GET ?list=true` and `?scan=true` as LIST and SCAN. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'LIST' | 'SCAN';
  /** After `/v1/`: percent-decoded once, no empty, `.` or `..` segments, no control characters; a trailing slash stays. */
  readonly path: string;
  /** Query parameters without `list` and `scan`; a repeated one is an array. Null prototype. */
  readonly query: UnknownRecord;
  /** Lower-case names; repeated ones joined as node:http does. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /**
   * A JSON object or form; undefined without a body. Null prototype at the top. Parsed when `body` or `bytes` is first
   * read, which throws `InvalidRequest`, `TooLarge` or `UnsupportedMedia` for what cannot be.
   */
  readonly body: UnknownRecord | undefined;
  /** The body as sent when it is not JSON or a form (OCSP, EST, snapshots); undefined otherwise. */
  readonly bytes: Buffer | undefined;
  /** A long body as it comes, of which nothing was read yet (snapshots); can be iterated once. `body` and `bytes` have nothing then. */
  readonly upload?: AsyncIterable<Buffer> | undefined;
  readonly remote: { readonly address: string; readonly port: number };
  /** DER of the client's certificates over TLS, leaf first; empty without. */
  readonly clientCertificates: readonly Buffer[];
  /** Aborts when the client goes away or the listener's request time is over. */
  readonly signal: AbortSignal;
  readonly listener: ListenerRights;
  /** Who asked, as client counts know it; for the log of requests, where there is one. */
  clientId?: string;
  /** Headers that the reply gets whatever becomes of the request. */
  addReplyHeaders(headers: Readonly<Record<string, string>>): void;
}

/** What goes back; `http/` adds the standard headers and serialises `body` as JSON. */
export interface WireReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, ending in a newline as Vault's does; undefined sends none. */
  readonly body?: UnknownRecord;
  /** Told once whether the reply was handed to the network. */
  readonly delivered?: (delivered: boolean) => void;
  readonly raw?: { readonly contentType: string; readonly body: string | Buffer };
  /** For streaming endpoints (sys/monitor, snapshots). */
  readonly stream?: { readonly contentType: string; readonly body: AsyncIterable<string | Buffer> };
}

/**
 * One request through the pipeline. Failures are thrown as `CofferError`s with `http/errors.ts` turning them into
 * replies; anything else thrown is a bare 500.
 */
export type Handle = (request: WireRequest) => WireReply | Promise<WireReply>;
