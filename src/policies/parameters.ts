import { isRecord } from '../base/json.ts';
import type { Plain } from '../hcl/hcl.ts';
import type { ParameterTable } from './parse.ts';

/** What `allowed_parameters`, `denied_parameters` and `required_parameters` of one rule say. */
export interface ParameterLimits {
  readonly allowedParameters: ParameterTable | undefined;
  readonly deniedParameters: ParameterTable | undefined;
  readonly requiredParameters: readonly string[];
}

export interface ParameterObjection {
  readonly kind: 'missing' | 'denied' | 'not allowed';
  readonly parameter: string;
}

/**
 * The first parameter that the limits object to, or undefined. Parameter names go without case. A value that is a list
 * is denied when any of its items is, and allowed when all of them are.
 */
export function parameterObjection(
  limits: ParameterLimits,
  data: Readonly<Record<string, unknown>> = {},
): ParameterObjection | undefined {
  const { allowedParameters: allowed, deniedParameters: denied } = limits;
  const given = Object.entries(data).map(([name, value]) => ({ name: name.toLowerCase(), value }));
  for (const parameter of limits.requiredParameters) {
    if (!given.some(({ name }) => name === parameter)) return { kind: 'missing', parameter };
  }
  for (const { name, value } of given) {
    const values = denied?.get(name);
    if (denied?.has('*') || (values && isDenied(values, value))) return { kind: 'denied', parameter: name };
  }
  if (!allowed || allowed.size === 0) return undefined;
  for (const { name, value } of given) {
    const values = allowed.get(name);
    if (values ? !isAllowed(values, value) : !allowed.has('*'))
      return { kind: 'not allowed', parameter: name };
  }
  return undefined;
}

/** Whether `text` fits a pattern whose `*` stand for any characters. */
export function fitsGlob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let from = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at === -1 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

function isDenied(values: readonly Plain[], value: unknown): boolean {
  if (values.length === 0 || isAmong(values, value)) return true;
  return Array.isArray(value) && value.some((item) => isAmong(values, item));
}

function isAllowed(values: readonly Plain[], value: unknown): boolean {
  if (values.length === 0 || isAmong(values, value)) return true;
  return Array.isArray(value) && value.length > 0 && value.every((item) => isAmong(values, item));
}

function isAmong(values: readonly Plain[], value: unknown): boolean {
  const text = scalarText(value);
  return values.some((listed) => {
    if (text === undefined) return typeof listed === 'object' && canonical(listed) === canonical(value);
    if (typeof listed === 'string') return fitsGlob(listed, text);
    return scalarText(listed) === text;
  });
}

/** Forms and query strings carry text only, so `false` and "false" must be the same value to a policy. */
function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}
