import type { Redactor } from './redact.ts';

/** Shorter values are words of the language more often than secrets. */
const LENGTH_MIN = 4;
/** Values looked for; a request with more has its error text dropped. */
const VALUES_MAX = 1000;

/**
 * An error text without what the caller sent: every string within `sources` (at any depth) that the text quotes, as it
 * is or escaped as in JSON, gives way to its hash. Errors should never quote secrets; this is for the ones that do.
 */
export function scrub(text: string, sources: readonly unknown[], redactor: Redactor): string {
  const values = new Set<string>();
  if (!collect(sources, values, 0)) return '[error text withheld: the request holds too many values]';
  const quoted = [...values].filter((value) => text.includes(value) || text.includes(escaped(value)));
  quoted.sort((a, b) => b.length - a.length);
  let scrubbed = text;
  for (const value of quoted) {
    scrubbed = scrubbed.replaceAll(value, () => redactor.show(value));
    scrubbed = scrubbed.replaceAll(escaped(value), () => redactor.show(value));
  }
  return scrubbed;
}

/** False when there are too many. */
function collect(value: unknown, into: Set<string>, depth: number): boolean {
  if (typeof value === 'string') {
    if (value.trim().length >= LENGTH_MIN) into.add(value).add(value.trim());
    return into.size <= VALUES_MAX;
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || depth > 100) return true;
  return Object.values(value).every((member) => collect(member, into, depth + 1));
}

function escaped(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}
