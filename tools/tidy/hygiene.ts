/** What would tie the project to one machine or one package source. */
import type { Finding, Project, TextFile } from './source.ts';

interface Pattern {
  readonly pattern: RegExp;
  readonly message: string;
}

const PATTERNS: readonly Pattern[] = [
  { pattern: /(?<![\w.)\]}/-])\/(?:work|home|Users)\/[\w.-]+\/[\w.-]+/, message: 'a path of one machine' },
  {
    pattern: /registry\.(?:npmjs|yarnpkg)|files\.pythonhosted|deb\.debian\.org/,
    message: 'the host of a package source',
  },
];

export function checkHygiene({ files }: Project): Finding[] {
  return files.flatMap((file) => [...checkPatterns(file), ...checkLockfile(file)]);
}

function checkPatterns({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((line, index) =>
    PATTERNS.filter(({ pattern }) => pattern.test(line)).map(({ pattern, message }) => ({
      path,
      line: index + 1,
      rule: 'hygiene',
      message: `${message}: ${pattern.exec(line)?.[0]}`,
    })),
  );
}

/** npm writes where it fetched a package from, unless told not to (.npmrc); others fetch from elsewhere. */
function checkLockfile({ path, text }: TextFile): Finding[] {
  if (path !== 'package-lock.json' || !text.includes('"resolved": "http')) return [];
  return [
    {
      path,
      rule: 'hygiene',
      message: 'names the hosts its packages came from; omit-lockfile-registry-resolved does not',
    },
  ];
}
