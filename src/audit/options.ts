import { InvalidRequest } from '../base/errors.ts';
import { type AuditDeviceType, type AuditOptions, booleanOption } from './device.ts';
import type { RenderOptions } from './entry.ts';
import { type Exclusion, parseExclusions } from './exclude.ts';
import { type Filter, parseFilter } from './filter.ts';

/** What every device understands, whatever its type. */
export interface CommonOptions extends RenderOptions {
  /** Before each entry, on its line. */
  readonly prefix: string;
  readonly filter: Filter | undefined;
  /** Takes the entries that every filter turned away. */
  readonly fallback: boolean;
  readonly exclusions: readonly Exclusion[];
  readonly skipTest: boolean;
}

const COMMON = [
  'format',
  'hmac_accessor',
  'log_raw',
  'elide_list_responses',
  'prefix',
  'filter',
  'fallback',
  'exclude',
  'skip_test',
];
const PREFIX_LENGTH_MAX = 256;

/** What a filter may look at (Vault's `filter` properties for audit devices). */
export const FILTER_SELECTORS = ['mount_point', 'mount_type', 'namespace', 'operation', 'path'] as const;

/** Reads the common options. Throws `InvalidRequest`. */
export function parseCommonOptions(
  options: AuditOptions,
  { allowPrefix }: { allowPrefix: boolean },
): CommonOptions {
  const { format = '', prefix = '', filter = '', exclude = '' } = options;
  if (format !== '' && format !== 'json')
    throw new InvalidRequest(`unsupported format ${JSON.stringify(format)}: only "json"`);
  const fallback = booleanOption(options, 'fallback', false);
  if (fallback && filter.trim() !== '') throw new InvalidRequest('a fallback device cannot have a filter');
  return {
    hmacAccessor: booleanOption(options, 'hmac_accessor', true),
    logRaw: booleanOption(options, 'log_raw', false),
    elideListResponses: booleanOption(options, 'elide_list_responses', false),
    prefix: checkPrefix(prefix, allowPrefix),
    filter: filter.trim() === '' ? undefined : parseFilter(filter, FILTER_SELECTORS),
    fallback,
    exclusions: exclude.trim() === '' ? [] : parseExclusions(exclude),
    skipTest: booleanOption(options, 'skip_test', false),
  };
}

/** Options that nothing will look at: told to whoever enables the device, as a mistyped one may mean less protection. */
export function unknownOptions(options: AuditOptions, type: AuditDeviceType): string[] {
  return Object.keys(options).filter((name) => !COMMON.includes(name) && !type.options.includes(name));
}

/**
 * A prefix is written into a file of the caller's choosing, by which audit logs have been turned into scripts
 * (CVE-2025-6000): hence only where the configuration file allows it, and never over a line's end.
 */
function checkPrefix(prefix: string, allowed: boolean): string {
  if (prefix === '') return prefix;
  if (!allowed) {
    throw new InvalidRequest(
      'prefix is not allowed unless allow_audit_log_prefixing is set in the server configuration',
    );
  }
  if (prefix.length > PREFIX_LENGTH_MAX || /[\p{Cc}\u2028\u2029]/u.test(prefix) || prefix.startsWith('#!')) {
    throw new InvalidRequest(`prefix must be one line of at most ${PREFIX_LENGTH_MAX} characters`);
  }
  return prefix;
}
