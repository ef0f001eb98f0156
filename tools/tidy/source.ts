import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

/** Something a rule objects to. */
export interface Finding {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  /** From 1; absent where the whole file is meant. */
  readonly line?: number;
  readonly rule: string;
  readonly message: string;
}

/** A program file with its syntax tree. */
export interface Source {
  readonly path: string;
  readonly tree: SourceFile;
}

/** A file of the project as text. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

export interface Project {
  readonly root: string;
  /** What tsconfig.json includes. */
  readonly sources: readonly Source[];
  /** Every text file of the project itself: nothing installed, built or stored. */
  readonly files: readonly TextFile[];
}

/** In a further worktree of git's `.git` is a file. */
const FOREIGN = new Set(['node_modules', '.git', '.cache', '.coverage', 'dist', 'data']);
const BINARY_SUFFIX = /\.(png|jpg|gif|ico|woff2|gz|node)$/;

/** Reads a project once for all rules. The syntax trees come from the compiler that checks the types. */
export function readProject(root: string): Project {
  const api = new API({ cwd: root });
  try {
    const projects = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects();
    const sources = projects.flatMap(({ program, rootFiles }) =>
      rootFiles.flatMap((file) => {
        const tree = program.getSourceFile(file);
        return tree ? [{ path: projectPath(root, file), tree }] : [];
      }),
    );
    return { root, sources, files: readFiles(root, root) };
  } finally {
    api.close();
  }
}

/** Calls `visit` with every node under `node`, outer nodes first. */
export function walk(node: Node, visit: (node: Node) => void): void {
  node.forEachChild((child) => {
    visit(child);
    walk(child, visit);
  });
}

/** The line a node starts on, from 1. */
export function lineOf(source: Source, node: Node): number {
  return source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line + 1;
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

function readFiles(root: string, folder: string): TextFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (FOREIGN.has(entry.name)) return [];
    if (entry.isDirectory()) return readFiles(root, path);
    if (!entry.isFile() || BINARY_SUFFIX.test(entry.name)) return [];
    return [{ path: projectPath(root, path), text: readFileSync(path, 'utf8') }];
  });
}

function projectPath(root: string, file: string): string {
  return relative(root, file).split(sep).join('/');
}
