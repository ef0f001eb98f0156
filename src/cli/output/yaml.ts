import { isRecord } from '../../base/json.ts';
import { rawNumber } from '../../client/reply.ts';
import { sortedEntries } from './value.ts';

/**
 * Writes JSON-like data as YAML in block style with sorted names, without a newline at its end. A text is left bare only where no YAML reader, of
 * version 1.1 or 1.2, could take it for anything else; every other text is quoted as in JSON, which YAML reads alike.
 */
export function yamlOf(value: unknown): string {
  return block(value, '');
}

function block(value: unknown, indent: string): string {
  if (rawNumber(value) === undefined) {
    if (Array.isArray(value) && value.length > 0)
      return value.map((item) => listItem(item, indent)).join('\n');
    if (isRecord(value) && Object.keys(value).length > 0) {
      return sortedEntries(value)
        .map(([name, inner]) => mapItem(name, inner, indent))
        .join('\n');
    }
  }
  return `${indent}${scalar(value)}`;
}

function listItem(item: unknown, indent: string): string {
  // The first line of what is inside begins beside the dash; the others stand below it.
  return `${indent}- ${block(item, `${indent}  `).slice(indent.length + 2)}`;
}

function mapItem(name: string, inner: unknown, indent: string): string {
  const key = `${indent}${text(name)}:`;
  if (rawNumber(inner) === undefined) {
    if (Array.isArray(inner) && inner.length > 0) return `${key}\n${block(inner, indent)}`;
    if (isRecord(inner) && Object.keys(inner).length > 0) return `${key}\n${block(inner, `${indent}  `)}`;
  }
  return `${key} ${scalar(inner)}`;
}

function scalar(value: unknown): string {
  const digits = rawNumber(value);
  if (digits !== undefined) return digits;
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object') return '{}';
  return String(value);
}

/** Words that some version of YAML takes for a truth value, null or a number. */
const RESERVED = /^(y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

function text(value: string): string {
  if (/^[A-Za-z_/][A-Za-z0-9_./-]*$/.test(value) && !RESERVED.test(value)) return value;
  const unsafe = /[\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]/g;
  const quoted = JSON.stringify(value);
  return quoted.replace(unsafe, (character, at: number) => {
    const isPair = /[\ud800-\udfff]/.test(character) && quoted.codePointAt(at)! > 0xffff;
    const isPairEnd = /[\udc00-\udfff]/.test(character) && (quoted.codePointAt(at - 1) ?? 0) > 0xffff;
    if (isPair || isPairEnd) return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
