import { createHash } from 'node:crypto';
import { InvalidRequest } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';

/**
 * User names from a template in the part of Go's template language that the documentation describes: fields,
 * functions, pipes, parentheses and literals, as in
 * `{{ printf "v-%s-%s" (.DisplayName | truncate 8) (random 20) | truncate 63 }}`.
 */
export interface UsernameInput {
  readonly displayName: string;
  readonly roleName: string;
  readonly nowMs: number;
  readonly random: Random;
}

export const USERNAME_TEMPLATE_DEFAULT =
  '{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}';

/** What a name may consist of: nothing that ends a quote in any database. */
const SAFE_USERNAME = /^[\w.@:+=/-]+$/;

/** Throws `InvalidRequest` when the template is malformed or gives a name that is unsafe or longer than `lengthMax`. */
export function usernameFrom(template: string, input: UsernameInput, lengthMax: number): string {
  const scope: UsernameInput = {
    ...input,
    displayName: tamed(input.displayName),
    roleName: tamed(input.roleName),
  };
  const username = template
    .split(/(\{\{.*?\}\})/s)
    .map((part) => (part.startsWith('{{') ? evaluated(part.slice(2, -2), scope) : part))
    .join('');
  if (!SAFE_USERNAME.test(username)) {
    throw new InvalidRequest('username_template gives a name with characters that are not safe in SQL');
  }
  if (username.length > lengthMax) {
    throw new InvalidRequest(`username_template gives a name of more than ${lengthMax} characters`);
  }
  return username;
}

/** Names from outside: what is unsafe in SQL becomes an underscore. */
function tamed(text: string): string {
  return text.replaceAll(/[^\w.@:+=/-]/g, '_');
}

type Value = string | number;
interface TemplateFunction {
  /** Arguments, a pipe's value included; undefined takes any number. */
  readonly arity: number | undefined;
  call(args: readonly Value[], input: UsernameInput): Value;
}

/** By name; a pipe's value comes as the last argument. */
const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ['.DisplayName', { arity: 0, call: (_args, input) => input.displayName }],
  ['.RoleName', { arity: 0, call: (_args, input) => input.roleName }],
  ['lowercase', { arity: 1, call: ([text]) => String(text).toLowerCase() }],
  ['uppercase', { arity: 1, call: ([text]) => String(text).toUpperCase() }],
  ['replace', { arity: 3, call: ([from, to, text]) => String(text).replaceAll(String(from), String(to)) }],
  ['truncate', { arity: 2, call: ([count, text]) => String(text).slice(0, natural(count)) }],
  ['truncate_sha256', { arity: 2, call: ([count, text]) => truncateSha256(natural(count), String(text)) }],
  ['random', { arity: 1, call: ([count], input) => input.random.base62(natural(count)) }],
  ['unix_time', { arity: 0, call: (_args, input) => Math.floor(input.nowMs / 1000) }],
  ['unix_time_millis', { arity: 0, call: (_args, input) => input.nowMs }],
  ['timestamp', { arity: 1, call: ([layout], input) => timestamp(String(layout), input.nowMs) }],
  ['uuid', { arity: 0, call: (_args, input) => input.random.uuid() }],
  ['base64', { arity: 1, call: ([text]) => Buffer.from(String(text)).toString('base64') }],
  ['sha256', { arity: 1, call: ([text]) => sha256(String(text)) }],
  ['printf', { arity: undefined, call: ([format, ...rest]) => formatted(String(format), rest) }],
]);
const COMMAND_END: ReadonlySet<string | undefined> = new Set([')', '|', undefined]);
const LENGTH_MAX = 1024;
const NESTING_MAX = 16;

function evaluated(action: string, input: UsernameInput): string {
  const tokens = action.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|[^\s()|"`]+|["`]/g) ?? [];
  const reader = { tokens, at: 0, depth: 0 };
  const value = pipeline(reader, input);
  if (reader.at < tokens.length) throw malformed(`unexpected ${tokens[reader.at]}`);
  return String(value);
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
  depth: number;
}

function pipeline(reader: Reader, input: UsernameInput): Value {
  let value = command(reader, input, []);
  while (reader.tokens[reader.at] === '|') {
    reader.at++;
    value = command(reader, input, [value]);
  }
  return value;
}

function command(reader: Reader, input: UsernameInput, piped: readonly Value[]): Value {
  const head = reader.tokens[reader.at];
  const known = head === undefined ? undefined : FUNCTIONS.get(head);
  if (!known) {
    if (piped.length > 0) throw malformed(`${head ?? 'nothing'} cannot take a piped value`);
    return operand(reader, input);
  }
  reader.at++;
  const args: Value[] = [];
  while (!COMMAND_END.has(reader.tokens[reader.at])) args.push(operand(reader, input));
  args.push(...piped);
  if (known.arity !== undefined && args.length !== known.arity) {
    throw malformed(`${head} takes ${known.arity} arguments, not ${args.length}`);
  }
  return limited(known.call(args, input));
}

function operand(reader: Reader, input: UsernameInput): Value {
  const token = reader.tokens[reader.at++];
  if (token === undefined) throw malformed('it ends too soon');
  if (token === '(') {
    if (++reader.depth > NESTING_MAX) throw malformed('it is nested too deeply');
    const value = pipeline(reader, input);
    if (reader.tokens[reader.at++] !== ')') throw malformed('a ) is missing');
    reader.depth--;
    return value;
  }
  if (/^\d+$/.test(token)) return Number(token);
  if (token.length > 1 && token.startsWith('`')) return token.slice(1, -1);
  if (token.length > 1 && token.startsWith('"')) return unquoted(token);
  const known = FUNCTIONS.get(token);
  if (known?.arity !== 0) throw malformed(`unknown or misplaced ${token}`);
  return known.call([], input);
}

function unquoted(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    throw malformed(`bad text ${token}`);
  }
}

function natural(value: Value | undefined): number {
  const count = Number(value);
  if (!Number.isSafeInteger(count) || count < 0 || count > LENGTH_MAX) {
    throw malformed(`a count must be from 0 to ${LENGTH_MAX}`);
  }
  return count;
}

function limited(value: Value): Value {
  if (String(value).length > LENGTH_MAX * 4) throw malformed('a value is too long');
  return value;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The last eight of `count` characters are the hash of what was cut off. */
function truncateSha256(count: number, text: string): string {
  if (text.length <= count) return text;
  if (count <= 8) throw malformed('truncate_sha256 needs more than 8 characters');
  return text.slice(0, count - 8) + sha256(text.slice(count - 8)).slice(0, 8);
}

function formatted(format: string, args: readonly Value[]): string {
  let next = 0;
  const text = format.replaceAll(/%(.)?/gs, (_whole, verb: string | undefined) => {
    if (verb === '%') return '%';
    if (verb === undefined || !'svd'.includes(verb)) throw malformed(`printf knows %s, %v, %d and %%`);
    if (next >= args.length) throw malformed('printf has too few arguments');
    return String(args[next++]);
  });
  if (next !== args.length) throw malformed('printf has too many arguments');
  return text;
}

/** Go's layouts show how the reference time, 2006-01-02 15:04:05, would look. Times are UTC. */
function timestamp(layout: string, nowMs: number): string {
  const iso = new Date(nowMs).toISOString();
  const parts: ReadonlyMap<string, string> = new Map([
    ['2006', iso.slice(0, 4)],
    ['06', iso.slice(2, 4)],
    ['01', iso.slice(5, 7)],
    ['02', iso.slice(8, 10)],
    ['15', iso.slice(11, 13)],
    ['04', iso.slice(14, 16)],
    ['05', iso.slice(17, 19)],
    ['000', iso.slice(20, 23)],
    ['Z0700', 'Z'],
    ['Z07:00', 'Z'],
    ['-0700', '+0000'],
    ['-07:00', '+00:00'],
    ['MST', 'UTC'],
  ]);
  return layout.replaceAll(
    /2006|Z07:00|Z0700|-07:00|-0700|MST|000|01|02|04|05|06|15/g,
    (part) => parts.get(part) ?? part,
  );
}

function malformed(reason: string): InvalidRequest {
  return new InvalidRequest(`username_template is malformed: ${reason}`);
}
