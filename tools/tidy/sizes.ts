/** The size ratchet: most functions and files stay small, and the largest may only become smaller. */
import { SyntaxKind } from 'typescript/unstable/ast';
import { isFunctionLikeDeclaration } from 'typescript/unstable/ast/is';
import { type Finding, isTest, lineOf, type Project, type Source, walk } from './source.ts';

/** The largest that tools/tidy.json allows, in lines. */
export interface Ratchet {
  readonly fileLinesMax: number;
  readonly functionLinesMax: number;
}

interface Sized {
  readonly path: string;
  readonly line?: number;
  readonly lines: number;
}

/** Nine of ten are at most this long. */
const FILE_LINES_USUAL = 400;
const FUNCTION_LINES_USUAL = 45;
const USUAL_SHARE = 0.9;

export function checkSizes({ sources }: Project, ratchet: Ratchet): Finding[] {
  const { files, functions } = measure(sources);
  return [
    ...checkKind('file', files, FILE_LINES_USUAL, ratchet.fileLinesMax),
    ...checkKind('function', functions, FUNCTION_LINES_USUAL, ratchet.functionLinesMax),
  ];
}

/** The ratchet moved as far as the project allows now. */
export function tighten({ sources }: Project, ratchet: Ratchet): Ratchet {
  const { files, functions } = measure(sources);
  const longest = (all: readonly Sized[]) => Math.max(0, ...all.map(({ lines }) => lines));
  return {
    fileLinesMax: Math.min(ratchet.fileLinesMax, longest(files)),
    functionLinesMax: Math.min(ratchet.functionLinesMax, longest(functions)),
  };
}

/** Tests count as files; their bodies, which are lists of cases, do not count as functions. */
function measure(sources: readonly Source[]): { files: Sized[]; functions: Sized[] } {
  return {
    files: sources.map(({ path, tree }) => ({ path, lines: tree.getLineStarts().length })),
    functions: sources.filter(({ path }) => !isTest(path)).flatMap(functionsOf),
  };
}

/** Functions with a body of statements; an arrow with a single expression is part of the function around it. */
function functionsOf(source: Source): Sized[] {
  const found: Sized[] = [];
  walk(source.tree, (node) => {
    if (!isFunctionLikeDeclaration(node) || node.body?.kind !== SyntaxKind.Block) return;
    const line = lineOf(source, node);
    const lastLine = source.tree.getLineAndCharacterOfPosition(node.end).line + 1;
    found.push({ path: source.path, line, lines: lastLine - line + 1 });
  });
  return found;
}

function checkKind(kind: string, all: readonly Sized[], usual: number, max: number): Finding[] {
  const tooLong = all
    .filter(({ lines }) => lines > max)
    .map((each) => finding(each, `this ${kind} has ${each.lines} lines; the longest may have ${max}`));
  const long = all.filter(({ lines }) => lines > usual).sort((a, b) => b.lines - a.lines);
  const spare = Math.floor(all.length * (1 - USUAL_SHARE));
  if (long.length <= spare) return tooLong;
  const share = `more than one ${kind} of ten (${long.length} of ${all.length}) has over ${usual} lines`;
  return [...tooLong, ...long.map((each) => finding(each, `${share}; this one ${each.lines}`))];
}

function finding({ path, line }: Sized, message: string): Finding {
  return line === undefined ? { path, rule: 'size', message } : { path, line, rule: 'size', message };
}
