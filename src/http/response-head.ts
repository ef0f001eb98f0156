import { STATUS_CODES } from 'node:http';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';

type Field = readonly [name: string, value: string];

/** `default`, `2xx` or `200` -> header name -> values. */
export type CustomHeaders = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

interface UsualFields {
  readonly statusLine: string;
  readonly fields: readonly Field[];
  readonly text: string;
}

/** What one reply needs to have said about itself before its body. */
export interface ResponseFacts {
  readonly status: number;
  readonly minorVersion: 0 | 1;
  readonly keepAlive: boolean;
  readonly contentType: string | undefined;
  /** Bytes; `chunked`; or undefined when the status forbids a body or the end of the connection ends it. */
  readonly length: number | 'chunked' | undefined;
  /** Of the reply and of CORS; they override the listener's. */
  readonly headers: readonly Readonly<Record<string, string>>[];
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** How a message ends is this folder's business alone. */
const FRAMING_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Status lines and standard headers of one listener, made once per status. */
export class ResponseHeads {
  readonly #standard: readonly Field[];
  #custom: ReadonlyMap<string, readonly Field[]>;
  readonly #byStatus = new Map<number, UsualFields>();
  readonly #clock: Clock;
  #dateSecond = -1;
  #date = '';

  constructor(options: {
    secure: boolean;
    custom: CustomHeaders | undefined;
    clock: Clock;
    logger: Logger;
  }) {
    this.#clock = options.clock;
    const standard: Field[] = [['Cache-Control', 'no-store']];
    if (options.secure) standard.push(['Strict-Transport-Security', 'max-age=31536000; includeSubDomains']);
    this.#standard = standard;
    this.#custom = customFields(options.custom ?? new Map(), options.logger);
  }

  /** Takes up the custom headers of a configuration that was read again. */
  customise(custom: CustomHeaders | undefined, logger: Logger): void {
    this.#custom = customFields(custom ?? new Map(), logger);
    this.#byStatus.clear();
  }

  /** The head up to and with its empty line. Throws where a reply would break the message: a bug. */
  render(facts: ResponseFacts): string {
    const { status, length, headers, contentType } = facts;
    const usual = this.#usual(status);
    const fields =
      headers.length === 0
        ? usual.text + typeLine(contentType)
        : overridden(usual.fields, headers, contentType);
    const framing =
      length === 'chunked'
        ? 'Transfer-Encoding: chunked\r\n'
        : length === undefined
          ? ''
          : `Content-Length: ${length}\r\n`;
    const connection = facts.keepAlive
      ? facts.minorVersion === 1
        ? ''
        : 'Connection: keep-alive\r\n'
      : 'Connection: close\r\n';
    return `${usual.statusLine}${fields}${this.#dateLine()}${framing}${connection}\r\n`;
  }

  #usual(status: number): UsualFields {
    const known = this.#byStatus.get(status);
    if (known) return known;
    // A client chooses the status of some replies (sys/health), and 1xx would leave it waiting for another.
    if (!Number.isInteger(status) || status < 200 || status > 599)
      throw new Error(`impossible status ${status}`);
    const merged = new Map(this.#standard.map((field) => [field[0].toLowerCase(), field]));
    for (const key of ['default', `${Math.floor(status / 100)}xx`, String(status)]) {
      for (const field of this.#custom.get(key) ?? []) merged.set(field[0].toLowerCase(), field);
    }
    const fields = [...merged.values()];
    const statusLine = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    const usual = { statusLine, fields, text: fields.map(line).join('') };
    this.#byStatus.set(status, usual);
    return usual;
  }

  #dateLine(): string {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = line(['Date', new Date(second * 1000).toUTCString()]);
    }
    return this.#date;
  }
}

function line([name, value]: Field): string {
  return `${name}: ${value}\r\n`;
}

function typeLine(contentType: string | undefined): string {
  if (contentType === undefined) return '';
  if (!FIELD_VALUE.test(contentType)) throw new Error('unsafe content type');
  return line(['Content-Type', contentType]);
}

/** The usual fields with those of the reply in place of, or after, their namesakes. */
function overridden(
  usual: readonly Field[],
  groups: readonly Readonly<Record<string, string>>[],
  contentType: string | undefined,
): string {
  const fields = new Map(usual.map((field) => [field[0].toLowerCase(), field]));
  const type = contentType === undefined ? [] : [{ 'Content-Type': contentType }];
  for (const field of checkedFields([...type, ...groups])) fields.set(field[0].toLowerCase(), field);
  return [...fields.values()].map(line).join('');
}

function checkedFields(groups: readonly Readonly<Record<string, string>>[]): Field[] {
  const fields = groups.flatMap((group) => Object.entries(group));
  for (const [name, value] of fields) {
    if (!isSafeField(name, value)) {
      throw new Error(`unsafe reply header ${JSON.stringify(name)}`);
    }
  }
  return fields;
}

function isSafeField(name: string, value: string): boolean {
  return FIELD_NAME.test(name) && FIELD_VALUE.test(value) && !FRAMING_FIELDS.has(name.toLowerCase());
}

/** The configured headers, without those that the API itself sets. */
function customFields(custom: CustomHeaders, logger: Logger): Map<string, Field[]> {
  const fields = new Map<string, Field[]>();
  for (const [status, headers] of custom) {
    const accepted = [...headers].map(([name, values]): Field => [name, values.join('; ')]);
    fields.set(
      status.toLowerCase(),
      accepted.filter(([name, value]) => {
        const taken = /^(?:x-vault-.*|content-type)$/i.test(name) || !isSafeField(name, value);
        if (taken) logger.warn('custom response header is not accepted', { status, header: name });
        return !taken;
      }),
    );
  }
  return fields;
}
