/**
 * Password policies: how passwords for outside systems are made. Characters are drawn evenly from the union of all
 * character sets and a candidate is kept when it satisfies every rule, so all passwords that fit are equally likely.
 */

import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { attributes, type Block, blocks, HclError, type HclObject, parseHcl } from '../hcl/hcl.ts';

export interface CharsetRule {
  /** Each character once. */
  readonly charset: ReadonlySet<string>;
  readonly charactersMin: number;
}

export interface PasswordPolicy {
  /** Characters. */
  readonly length: number;
  readonly rules: readonly CharsetRule[];
  readonly text: string;
}

const LENGTH_MIN = 4;
const LENGTH_MAX = 4096;
const CHARSET_SIZE_MAX = 256;
/** Characters drawn for one password before giving up; a policy that needs more is too narrow to be useful. */
const DRAWN_MAX = 100_000;
/** Passwords a policy must be able to make before it is stored. */
const TRIALS = 5;

/** Used where no policy is named. */
export const DEFAULT_PASSWORD_POLICY_TEXT = `length = 20

rule "charset" {
  charset   = "abcdefghijklmnopqrstuvwxyz"
  min-chars = 1
}
rule "charset" {
  charset   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  min-chars = 1
}
rule "charset" {
  charset   = "0123456789"
  min-chars = 1
}
rule "charset" {
  charset   = "-"
  min-chars = 1
}
`;

/** HCL or JSON to a policy. Throws `InvalidRequest`. */
export function parsePasswordPolicy(text: string): PasswordPolicy {
  try {
    const body = parseHcl(text);
    onlyKeys(body, ['length', 'rule']);
    const length = wholeNumber(body, 'length');
    if (length === undefined) throw new InvalidRequest('length must be set');
    if (length < LENGTH_MIN || length > LENGTH_MAX) {
      throw new InvalidRequest(`length must be from ${LENGTH_MIN} to ${LENGTH_MAX}`);
    }
    const rules = blocks(body, 'rule', 1).map(charsetRule);
    checkRules(length, rules);
    return { length, rules, text };
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    throw new InvalidRequest(`invalid password policy: ${error.message}`, { cause: error });
  }
}

/** A password that fits the policy. Throws `InvalidRequest` when the policy is so narrow that none was found. */
export function generatePassword({ length, rules }: PasswordPolicy, random: Random): string {
  const alphabet = [...new Set(rules.flatMap(({ charset }) => [...charset]))].sort();
  for (let drawn = 0; drawn < DRAWN_MAX; drawn += length) {
    const candidate = Array.from({ length }, () => alphabet[random.below(alphabet.length)]!);
    if (rules.every((rule) => satisfies(candidate, rule))) return candidate.join('');
  }
  throw new InvalidRequest('unable to generate a password: the password policy is too restrictive');
}

/** Makes sure that the policy can generate passwords. Throws `InvalidRequest`. */
export function tryPasswordPolicy(policy: PasswordPolicy, random: Random): void {
  for (let trial = 0; trial < TRIALS; trial++) generatePassword(policy, random);
}

function satisfies(candidate: readonly string[], { charset, charactersMin }: CharsetRule): boolean {
  let count = 0;
  for (const character of candidate) if (charset.has(character)) count++;
  return count >= charactersMin;
}

function charsetRule({ labels: [type], body, line }: Block): CharsetRule {
  if (type !== 'charset') throw new InvalidRequest(`unknown rule type "${type}" on line ${line}`);
  onlyKeys(body, ['charset', 'min-chars']);
  const charset = attributes(body).get('charset')?.value;
  if (charset?.kind !== 'string' || charset.value === '') {
    throw new InvalidRequest(`the rule on line ${line} needs a charset`);
  }
  if (/[\p{C}\p{Z}]/u.test(charset.value.replaceAll(' ', ''))) {
    throw new InvalidRequest(`the charset on line ${charset.line} holds characters that are not printable`);
  }
  return { charset: new Set(charset.value), charactersMin: wholeNumber(body, 'min-chars') ?? 0 };
}

function checkRules(length: number, rules: readonly CharsetRule[]): void {
  if (rules.length === 0) throw new InvalidRequest('no charsets specified');
  const alphabet = new Set(rules.flatMap(({ charset }) => [...charset]));
  if (alphabet.size > CHARSET_SIZE_MAX) {
    throw new InvalidRequest(`all charsets together must not have more than ${CHARSET_SIZE_MAX} characters`);
  }
  const narrow = rules.find(({ charactersMin }) => charactersMin > length);
  if (narrow) throw new InvalidRequest(`min-chars ${narrow.charactersMin} is more than the length ${length}`);
}

function onlyKeys(body: HclObject, known: readonly string[]): void {
  for (const { key, line, column } of body.entries) {
    if (!known.includes(key)) throw new HclError({ line, column }, `unknown key "${key}"`);
  }
}

/** HCL 1 takes a number in quotes for a number. */
function wholeNumber(body: HclObject, key: string): number | undefined {
  const entry = attributes(body).get(key);
  if (!entry) return undefined;
  const { value } = entry;
  const number = value.kind === 'number' || value.kind === 'string' ? Number(value.value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < 0 || value.kind === 'object') {
    throw new HclError(value, `"${key}" must be a whole number from 0`);
  }
  return number;
}
