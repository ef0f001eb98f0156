/** Characters that line-wrapped base64 may have and that mean nothing. */
const LINE_BREAKS = /[\r\n]+/g;
/** Above this, counting what came out is cheaper than matching what went in. */
const SHORT_LENGTH_MAX = 256;
const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;

/** Bytes of standard base64 with padding (RFC 4648, section 4); line breaks are passed over. Undefined for any other text. */
export function bytesOfBase64(text: string): Buffer | undefined {
  const plain = text.includes('\n') || text.includes('\r') ? text.replaceAll(LINE_BREAKS, '') : text;
  if (plain.length % 4 !== 0) return undefined;
  if (plain.length <= SHORT_LENGTH_MAX)
    return STANDARD.test(plain) ? Buffer.from(plain, 'base64') : undefined;
  if (plain.includes('-') || plain.includes('_')) return undefined;
  const bytes = Buffer.from(plain, 'base64');
  const padding = plain.endsWith('==') ? 2 : plain.endsWith('=') ? 1 : 0;
  return bytes.length === (plain.length / 4) * 3 - padding ? bytes : undefined;
}

/** Bytes of URL-safe base64 without padding (RFC 4648, section 5). Undefined for any other text. */
export function bytesOfBase64Url(text: string): Buffer | undefined {
  return text.length % 4 !== 1 && URL_SAFE.test(text) ? Buffer.from(text, 'base64url') : undefined;
}
