/** Documents that name what is not there. */
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import type { Finding, Project, TextFile } from './source.ts';

/** A code span that is a path of the project, with no placeholder in it. */
const PATH_SPAN = /`((?:\.ci|bench|bin|deploy|docs|src|test|tools)\/[\w./-]*|[A-Z]+\.md|[\w-]+\.json)`/g;
const LINK = /\]\(([^)\s]+)\)/g;

export function checkDocuments({ root, files }: Project): Finding[] {
  const documents = files.filter(({ path }) => path.endsWith('.md'));
  return documents.flatMap((document) =>
    document.text.split('\n').flatMap((text, index) =>
      namedPaths(document, text)
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => ({
          path: document.path,
          line: index + 1,
          rule: 'documents',
          message: `${path} does not exist`,
        })),
    ),
  );
}

function namedPaths(document: TextFile, text: string): string[] {
  const spans = [...text.matchAll(PATH_SPAN)].map(([, path = '']) => path);
  const links = [...text.matchAll(LINK)]
    .map(([, target = '']) => target.split('#')[0] ?? '')
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(dirname(document.path), target)));
  return [...spans, ...links];
}
