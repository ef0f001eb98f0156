import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, Scope } from './findings.ts';

export interface ConfigFiles {
  /** Throws when the file cannot be read. */
  readFile(path: string): string;
  /** Undefined when the path is no folder. */
  listFolder(path: string): readonly string[] | undefined;
}

export const systemFiles: ConfigFiles = {
  readFile: (path) => readFileSync(path, 'utf8'),
  listFolder: (path) =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(path) : undefined,
};

/** The texts of all files in order; one that cannot be read is an error. */
export function readConfigFiles(
  paths: readonly string[],
  files: ConfigFiles,
  findings: Finding[],
): { path: string; text: string }[] {
  return paths
    .flatMap((path) => filesAt(path, files, findings))
    .flatMap((path) => {
      try {
        return [{ path, text: files.readFile(path) }];
      } catch (error) {
        new Scope(path, findings).error(undefined, `cannot be read: ${messageOf(error)}`);
        return [];
      }
    });
}

function filesAt(path: string, files: ConfigFiles, findings: Finding[]): string[] {
  try {
    const names = files.listFolder(path);
    if (!names) return [path];
    const found = names.filter((name) => /\.(?:hcl|json)$/.test(name)).sort();
    if (found.length === 0)
      new Scope(path, findings).warning(undefined, 'the folder holds no .hcl or .json files');
    return found.map((name) => join(path, name));
  } catch (error) {
    new Scope(path, findings).error(undefined, `cannot be read: ${messageOf(error)}`);
    return [];
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
