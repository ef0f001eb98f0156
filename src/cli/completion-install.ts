import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Terminal } from './terminal.ts';

/** One line in a shell's own file, marked by its end so that it is found again. */
interface ShellFile {
  readonly file: string;
  readonly line: string;
}

const FISH = `function __complete_coffer
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    coffer
end
complete -f -c coffer -a "(__complete_coffer)"
`;

/** Sets completion up, or takes it back, in every shell whose file the user has. Gives the exit code. */
export function changeShells(install: boolean, terminal: Terminal): number {
  const home = terminal.homeDirectory;
  const files: ShellFile[] = [
    { file: join(home, '.bashrc'), line: 'complete -C coffer coffer' },
    { file: join(home, '.bash_profile'), line: 'complete -C coffer coffer' },
    {
      file: join(home, '.zshrc'),
      line: 'autoload -U +X bashcompinit && bashcompinit && complete -o nospace -C coffer coffer',
    },
  ].filter(({ file }) => existsSync(file));
  const fish = join(terminal.environment.XDG_CONFIG_HOME ?? join(home, '.config'), 'fish');
  const fishFile = join(fish, 'completions', 'coffer.fish');
  const hasFish = existsSync(fish);
  if (files.length === 0 && !hasFish) {
    terminal.error.write('No shell with a file in the home directory was found (bash, zsh, fish).\n');
    return 1;
  }
  for (const one of files) (install ? addLine : removeLine)(one);
  if (hasFish && install) {
    mkdirSync(dirname(fishFile), { recursive: true });
    writeFileSync(fishFile, FISH);
  } else if (hasFish) rmSync(fishFile, { force: true });
  terminal.output.write(
    `Completion is ${install ? 'installed' : 'removed'}; it holds in shells that are started from now on.\n`,
  );
  return 0;
}

function addLine({ file, line }: ShellFile): void {
  const text = readFileSync(file, 'utf8');
  if (text.split('\n').includes(line)) return;
  appendFileSync(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
}

function removeLine({ file, line }: ShellFile): void {
  const text = readFileSync(file, 'utf8');
  const kept = text.split('\n').filter((one) => one !== line);
  if (kept.join('\n') !== text) writeFileSync(file, kept.join('\n'));
}
