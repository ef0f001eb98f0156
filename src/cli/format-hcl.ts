/**
 * Lays out HCL as its own formatter does: two blanks for each open bracket, `=` of neighbouring lines one below the other,
 * one blank line at most. Only blanks change, so what the text means cannot; heredocs stay as they are.
 */
export type FormatResult = { readonly text: string } | { readonly line: number; readonly problem: string };

export function formatHcl(source: string): FormatResult {
  const scanned = scanLines(source.replaceAll('\r\n', '\n').split('\n'));
  if ('problem' in scanned) return scanned;
  const lines = dropSpareBlanks(alignAssignments(scanned.lines));
  return {
    text: `${lines
      .map((line) => line.text)
      .join('\n')
      .trim()}\n`,
  };
}

interface Line {
  readonly text: string;
  /** Inside a heredoc or a block comment, where nothing is touched. */
  readonly fixed: boolean;
  /** Where the `=` of an assignment on one line stands. */
  readonly assignmentAt: number;
}

/** What is open at the end of a line. */
interface State {
  readonly brackets: { readonly bracket: string; readonly line: number }[];
  /** Ends at a line that holds only this. */
  heredoc: string | undefined;
  inComment: boolean;
}

const CLOSES: ReadonlyMap<string, string> = new Map([
  ['}', '{'],
  [']', '['],
  [')', '('],
]);

function scanLines(sources: readonly string[]): { lines: Line[] } | { line: number; problem: string } {
  const state: State = { brackets: [], heredoc: undefined, inComment: false };
  const lines: Line[] = [];
  for (const [at, source] of sources.entries()) {
    const number = at + 1;
    if (state.heredoc !== undefined) {
      if (source.trim() === state.heredoc) state.heredoc = undefined;
      lines.push({ text: source, fixed: true, assignmentAt: -1 });
      continue;
    }
    const fixed = state.inComment;
    const text = source.trim();
    const depthBefore = state.brackets.length;
    const scanned = scanLine(fixed ? source : text, number, state);
    if (scanned.problem !== undefined) return { line: number, problem: scanned.problem };
    const closing = /^[\]})]+/.exec(text)?.[0].length ?? 0;
    const indent = '  '.repeat(Math.max(0, Math.min(depthBefore, depthBefore - closing)));
    const shift = scanned.assignmentAt < 0 || fixed ? -1 : scanned.assignmentAt + indent.length;
    const opens = state.brackets.length > depthBefore;
    lines.push(
      fixed
        ? { text: source, fixed, assignmentAt: -1 }
        : { text: text && `${indent}${text}`, fixed, assignmentAt: opens ? -1 : shift },
    );
  }
  const open = state.brackets.at(-1);
  if (open) return { line: open.line, problem: `"${open.bracket}" is never closed` };
  if (state.heredoc !== undefined)
    return { line: sources.length, problem: `the text up to ${state.heredoc} never ends` };
  return { lines };
}

function scanLine(text: string, number: number, state: State): { assignmentAt: number; problem?: string } {
  let assignmentAt = -1;
  for (let at = 0; at < text.length; at++) {
    const rest = text.slice(at);
    if (state.inComment) {
      const end = rest.indexOf('*/');
      if (end < 0) return { assignmentAt };
      state.inComment = false;
      at += end + 1;
    } else if (rest.startsWith('/*')) {
      state.inComment = true;
      at++;
    } else if (rest.startsWith('#') || rest.startsWith('//')) return { assignmentAt };
    else if (rest.startsWith('"')) {
      const quoted = /^"(?:[^"\\]|\\.)*"/.exec(rest)?.[0];
      if (quoted === undefined) return { assignmentAt, problem: 'a text in quotes does not end on its line' };
      at += quoted.length - 1;
    } else if (rest.startsWith('<<')) {
      state.heredoc = /^<<-?\s*"?([A-Za-z0-9_]+)"?\s*$/.exec(rest)?.[1];
      if (state.heredoc !== undefined) return { assignmentAt: -1 };
    } else {
      const problem = countBracket(text[at]!, number, state);
      if (problem !== undefined) return { assignmentAt, problem };
      if (text[at] === '=' && assignmentAt < 0 && text[at + 1] !== '=') assignmentAt = at;
    }
  }
  return { assignmentAt };
}

function countBracket(character: string, line: number, { brackets }: State): string | undefined {
  if ('{[('.includes(character)) brackets.push({ bracket: character, line });
  const wanted = CLOSES.get(character);
  if (wanted === undefined || brackets.pop()?.bracket === wanted) return undefined;
  return `"${character}" closes nothing`;
}

/** One blank around `=`, and in neighbouring lines all of them in one column. */
function alignAssignments(lines: readonly Line[]): Line[] {
  const result: Line[] = [];
  for (let at = 0; at < lines.length; ) {
    const run: Line[] = [];
    while (at < lines.length && lines[at]!.assignmentAt >= 0 && !lines[at]!.fixed) run.push(lines[at++]!);
    const names = run.map((line) => line.text.slice(0, line.assignmentAt).trimEnd());
    const width = Math.max(0, ...names.map((name) => name.length));
    for (const [index, line] of run.entries()) {
      const value = line.text.slice(line.assignmentAt + 1).trim();
      result.push({ ...line, text: `${names[index]!.padEnd(width)} = ${value}` });
    }
    if (run.length === 0) result.push(spaceAssignment(lines[at++]!));
  }
  return result;
}

/** An assignment that goes on over several lines stands alone and is only spaced. */
function spaceAssignment(line: Line): Line {
  if (line.fixed || line.text.trimStart().startsWith('#') || line.text.trimStart().startsWith('//'))
    return line;
  const text = line.text.replace(/^(\s*(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"))\s*=\s*(?=[[{<])/, '$1 = ');
  return { ...line, text: text.replace(/\s*\{$/, (brace) => (text.trim() === '{' ? brace : ' {')) };
}

function dropSpareBlanks(lines: readonly Line[]): Line[] {
  return lines.filter((line, at) => {
    const before = lines[at - 1];
    if (line.text !== '' || line.fixed) return true;
    return before !== undefined && before.text !== '' && !/[{[(]$/.test(before.text);
  });
}
