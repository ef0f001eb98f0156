/** What the code must not do, and what it does instead. */
import { type BinaryExpression, type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  isAsExpression,
  isBinaryExpression,
  isCallExpression,
  isIdentifier,
  isImportSpecifier,
  isNewExpression,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast/is';
import { type Finding, isTest, lineOf, type Project, type Source, walk } from './source.ts';

const CLOCK = 'use the Clock that was handed in (src/base/clock.ts)';
const RANDOM = 'use the Random that was handed in (src/base/random.ts)';
const LOGGER = 'use the Logger that was handed in, or the command line’s output';
const COMPARE = 'compare secrets in constant time (src/crypto/compare.ts)';

/** Globals and members by the text of the expression that reaches them. */
const BANNED_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['Date.now', CLOCK],
  ['performance.now', CLOCK],
  ['Math.random', RANDOM],
  ['crypto.randomUUID', RANDOM],
  ['crypto.getRandomValues', RANDOM],
]);
const BANNED_CALLS: ReadonlyMap<string, string> = new Map([
  ['setTimeout', CLOCK],
  ['setInterval', CLOCK],
  ['eval', 'do without'],
]);
/** Names that must not be imported, from whichever module. */
const BANNED_IMPORTS: ReadonlyMap<string, string> = new Map([
  ['randomBytes', RANDOM],
  ['randomFill', RANDOM],
  ['randomFillSync', RANDOM],
  ['randomInt', RANDOM],
  ['randomUUID', RANDOM],
]);

const SECRET_NAME =
  /^(token|secret|password|passphrase|hmac|mac)$|(Token|Secret|Password|Passphrase|Hmac|Mac)$/;
const COMPARISONS = new Set([
  SyntaxKind.EqualsEqualsToken,
  SyntaxKind.EqualsEqualsEqualsToken,
  SyntaxKind.ExclamationEqualsToken,
  SyntaxKind.ExclamationEqualsEqualsToken,
]);
/** What a secret may be compared with openly: emptiness and kinds, not values. */
const HARMLESS = new Set([
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.NumericLiteral,
  SyntaxKind.NullKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
]);

export function checkBanned({ sources, files }: Project): Finding[] {
  const product = sources.filter(({ path }) => /^(src|bin)\//.test(path) && !isTest(path));
  return [...product.flatMap(checkSource), ...files.flatMap(checkComments)];
}

function checkSource(source: Source): Finding[] {
  const found: Finding[] = [];
  walk(source.tree, (node) => {
    const message = objection(source, node);
    if (message !== undefined)
      found.push({ path: source.path, line: lineOf(source, node), rule: 'banned', message });
  });
  return found;
}

function objection(source: Source, node: Node): string | undefined {
  if (isPropertyAccessExpression(node)) {
    const text = node.getText(source.tree);
    if (isIdentifier(node.expression) && node.expression.text === 'console') return `${text}: ${LOGGER}`;
    return describe(text, BANNED_MEMBERS);
  }
  if (isCallExpression(node)) return describe(node.expression.getText(source.tree), BANNED_CALLS);
  if (isImportSpecifier(node)) return describe((node.propertyName ?? node.name).text, BANNED_IMPORTS);
  if (isNewExpression(node) && node.expression.getText(source.tree) === 'Date' && !node.arguments?.length) {
    return `new Date(): ${CLOCK}`;
  }
  if (isAsExpression(node) && node.type.kind === SyntaxKind.AnyKeyword) return 'as any: name the type';
  if (isBinaryExpression(node) && comparesSecret(source, node))
    return `${node.getText(source.tree)}: ${COMPARE}`;
  return undefined;
}

function describe(name: string, banned: ReadonlyMap<string, string>): string | undefined {
  const instead = banned.get(name);
  return instead === undefined ? undefined : `${name}: ${instead}`;
}

function comparesSecret(source: Source, { left, operatorToken, right }: BinaryExpression): boolean {
  if (!COMPARISONS.has(operatorToken.kind)) return false;
  if ([left, right].some((side) => isHarmless(source, side))) return false;
  return [left, right].some((side) => SECRET_NAME.test(lastName(side)));
}

function isHarmless(source: Source, side: Node): boolean {
  return (
    HARMLESS.has(side.kind) ||
    side.getText(source.tree) === 'undefined' ||
    /^[A-Z][A-Z0-9_]+$/.test(lastName(side))
  );
}

function lastName(node: Node): string {
  if (isIdentifier(node)) return node.text;
  return isPropertyAccessExpression(node) ? node.name.text : '';
}

function checkComments({ path, text }: { path: string; text: string }): Finding[] {
  if (!/\.[cm]?ts$/.test(path)) return [];
  return text.split('\n').flatMap((line, index) => {
    const [directive] = /@ts-(?:ignore|expect-error|nocheck)/.exec(line) ?? [];
    return directive
      ? [{ path, line: index + 1, rule: 'banned', message: `${directive}: mend the type` }]
      : [];
  });
}
