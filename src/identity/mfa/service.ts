import { OutsideFailure } from '../../base/errors.ts';

/** How requests to a factor's service are made; handed in, so that tests answer themselves. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const REPLY_BYTES_MAX = 256 * 1024;
const REQUEST_MS_MAX = 65_000;

/** The body of a 2xx reply. Follows no redirect, and waits no longer than a push may take. Throws `OutsideFailure`. */
export async function askService(
  fetchIt: Fetch,
  what: string,
  url: string,
  init: RequestInit,
): Promise<string> {
  let status: number;
  let text: string;
  try {
    const reply = await fetchIt(url, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    });
    status = reply.status;
    text = await boundedText(reply);
  } catch (cause) {
    throw new OutsideFailure(`${what} cannot be reached`, { cause });
  }
  if (status < 200 || status > 299) throw new OutsideFailure(`${what} answered with status ${status}`);
  return text;
}

async function boundedText(reply: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of reply.body ?? []) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES_MAX) throw new Error('the reply is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Throws `OutsideFailure` for what is no JSON object. */
export function jsonOf(what: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {}
  throw new OutsideFailure(`${what} gave an answer that cannot be understood`);
}
