import { InvalidRequest } from '../../base/errors.ts';
import type { Field } from '../../engine/fields.ts';

/**
 * Statements that operators configure, with placeholders such as `{{name}}`. A value is put in as what it stands in
 * needs: escaped in a literal or quoted identifier, and anywhere else refused unless it can do no harm. Nothing is put
 * together by joining text.
 */

/** A statement's text in pieces; concatenated they are the statement. */
interface Piece {
  /** `opaque`: dollar quotes, whose text may be code again, and Unicode escapes. */
  readonly kind: 'plain' | 'literal' | 'escape-literal' | 'identifier' | 'opaque' | 'comment';
  readonly text: string;
}

/** Statements as clients send them: a list, or one text, which may be several with semicolons; JSON and base64 will do. */
export function statementsField(description: string): Field<readonly string[] | undefined> {
  return {
    type: 'list',
    description,
    parse(value) {
      if (typeof value === 'string') return value.trim() === '' ? [] : [checkedText(value)];
      if (!Array.isArray(value)) throw new Error('expected SQL text or a list of it');
      return value.map(checkedText).filter((text) => text.trim() !== '');
    },
  };
}

/** The single statements in what was configured. Throws `InvalidRequest` for an unfinished quote or comment. */
export function singleStatements(configured: readonly string[]): string[] {
  return configured.flatMap(unwrapped).flatMap(splitStatements);
}

/** One statement with its placeholders filled. Throws `InvalidRequest`, without the value, when one does not fit. */
export function fillStatement(statement: string, values: ReadonlyMap<string, string>): string {
  return piecesOf(statement)
    .map((piece) =>
      piece.text.replaceAll(PLACEHOLDER, (whole, name: string) => {
        const value = values.get(name);
        return value === undefined ? whole : fitted(value, name, piece.kind);
      }),
    )
    .join('');
}

const PLACEHOLDER = /\{\{\s*(\w+)\s*\}\}/g;
/** Characters that end nothing they stand in. */
const HARMLESS = /^[\w .@:+=/-]*$/;

function fitted(value: string, name: string, kind: Piece['kind']): string {
  if (!value.includes('\0')) {
    if (kind === 'literal') return value.replaceAll("'", "''");
    if (kind === 'escape-literal') return value.replaceAll('\\', '\\\\').replaceAll("'", "''");
    if (kind === 'identifier') return value.replaceAll('"', '""');
    if (HARMLESS.test(value)) return value;
  }
  throw new InvalidRequest(
    `the value of {{${name}}} has characters that are only safe within single or double quotes`,
  );
}

function splitStatements(sql: string): string[] {
  const statements = [''];
  for (const { kind, text } of piecesOf(sql)) {
    const parts = kind === 'plain' ? text.split(';') : [text];
    statements.push((statements.pop() ?? '') + parts[0]);
    statements.push(...parts.slice(1));
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}

/** PostgreSQL's lexical structure (manual, 4.1), as far as it tells where text is quoted. */
const OPENERS = /'|"|--|\/\*|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/g;

function piecesOf(sql: string): Piece[] {
  const pieces: Piece[] = [];
  let plainFrom = 0;
  OPENERS.lastIndex = 0;
  for (let opener = OPENERS.exec(sql); opener; opener = OPENERS.exec(sql)) {
    const from = opener.index;
    const before = sql[from - 1] ?? '';
    // `a$b$c` is an identifier with dollars in it.
    if (opener[0].startsWith('$') && /[\w$]/.test(before)) {
      OPENERS.lastIndex = from + 1;
      continue;
    }
    const kind = kindOf(opener[0], sql.slice(Math.max(0, from - 3), from));
    const to = endOf(sql, kind, { opener: opener[0], from });
    if (from > plainFrom) pieces.push({ kind: 'plain', text: sql.slice(plainFrom, from) });
    pieces.push({ kind, text: sql.slice(from, to) });
    plainFrom = to;
    OPENERS.lastIndex = to;
  }
  if (plainFrom < sql.length) pieces.push({ kind: 'plain', text: sql.slice(plainFrom) });
  return pieces;
}

function kindOf(opener: string, before: string): Exclude<Piece['kind'], 'plain'> {
  if (opener.startsWith('$')) return 'opaque';
  if (opener === '--' || opener === '/*') return 'comment';
  if (/(?:^|[^\w$])[uU]&$/.test(before)) return 'opaque';
  if (opener === "'") return /(?:^|[^\w$])[eE]$/.test(before) ? 'escape-literal' : 'literal';
  return 'identifier';
}

function endOf(sql: string, kind: Piece['kind'], { opener, from }: { opener: string; from: number }): number {
  const inside = from + opener.length;
  if (opener === '--') {
    const newline = sql.indexOf('\n', inside);
    return newline < 0 ? sql.length : newline;
  }
  if (opener === '/*') return commentEnd(sql, inside);
  const end = kind === 'escape-literal' ? escapeLiteralEnd(sql, inside) : sql.indexOf(opener, inside);
  // A doubled quote closes and opens again: two pieces of the same kind, which comes to the same.
  if (end < 0) throw new InvalidRequest(`SQL statement with an unfinished ${opener}`);
  return end + opener.length;
}

/** Comments nest in PostgreSQL. */
function commentEnd(sql: string, inside: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = inside;
  let depth = 1;
  for (let mark = marks.exec(sql); mark; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  throw new InvalidRequest('SQL statement with an unfinished /*');
}

function escapeLiteralEnd(sql: string, inside: number): number {
  for (let at = inside; at < sql.length; at++) {
    if (sql[at] === '\\') at++;
    else if (sql[at] === "'") {
      // Here a doubled quote must stay in one piece: after it a backslash still escapes.
      if (sql[at + 1] !== "'") return at;
      at++;
    }
  }
  return -1;
}

/** Base64 and JSON are taken off; SQL has spaces, so it is never mistaken for base64. */
function unwrapped(text: string): string[] {
  const trimmed = text.trim();
  if (/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(trimmed)) {
    const decoded = Buffer.from(trimmed, 'base64').toString('utf8');
    if (!decoded.includes('\ufffd') && /\s|;|^\[/.test(decoded)) return unwrapped(decoded);
  }
  if (!trimmed.startsWith('[')) return [trimmed];
  let parsed: unknown;
  try {
    parsed = JSON.parse(trimmed);
  } catch {
    throw new InvalidRequest('statements that start with [ must be a JSON list of texts');
  }
  if (!Array.isArray(parsed) || !parsed.every((item) => typeof item === 'string')) {
    throw new InvalidRequest('statements that start with [ must be a JSON list of texts');
  }
  return parsed as string[];
}

function checkedText(value: unknown): string {
  if (typeof value !== 'string') throw new Error('expected SQL text or a list of it');
  if (!value.isWellFormed() || value.includes('\0')) throw new Error('expected well-formed SQL text');
  return value;
}
