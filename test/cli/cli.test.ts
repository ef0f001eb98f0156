/** The command line against a real node: transcripts in this process, and what only a real process shows. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { foregroundClock } from '../../src/base/clock.ts';
import { runCoffer } from '../../src/cli/testing.ts';
import { parseTranscript, type Step } from '../../src/cli/transcript-testing.ts';
import { type CofferNode, start } from '../services/coffer.ts';

let node: CofferNode;
before(async () => {
  node = await start();
});
after(() => node.stop());

for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'))) {
  test(`${file}: commands against a node`, async () => {
    const known = new Map<string, string>();
    const fresh = await start();
    try {
      for (const step of parseTranscript(readFileSync(join(import.meta.dirname, file), 'utf8'))) {
        await play(fresh, step, known, `${file}:${step.line}`);
      }
    } finally {
      await fresh.stop();
    }
  });
}

async function play(on: CofferNode, step: Step, known: Map<string, string>, place: string): Promise<void> {
  const fill = (text: string) => text.replace(/\$\{(\w+)\}/g, (_all, name: string) => known.get(name) ?? '');
  const result = await runCoffer(step.argv.map(fill), {
    environment: { VAULT_ADDR: on.address },
    homeDirectory: on.folder,
    clock: foregroundClock,
    ...(step.input !== undefined && { input: fill(step.input) }),
  });
  for (const [shown, expected] of [
    [result.error, step.error],
    [result.output, step.output],
  ] as const) {
    const match = patternOf(fill(expected)).exec(shown.trimEnd());
    assert.ok(match, `${place}: expected\n${expected}\nbut there was\n${result.output}${result.error}`);
    for (const [name, value] of Object.entries(match.groups ?? {})) known.set(name, value);
  }
  assert.equal(result.code, step.code, `${place}: exit code\n${result.error}`);
}

/** `...` stands for any text, `<name>` for a word that is kept. `<nil>` is itself: it is how Vault prints nothing. */
function patternOf(text: string): RegExp {
  const escaped = text.trimEnd().replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const source = escaped
    .replaceAll('\\.\\.\\.', '[^]*?')
    .replace(/<(?!nil>)(\w+)>/g, (_all, name: string) => `(?<${name}>\\S+)`);
  return new RegExp(`^${source}$`);
}

const PROGRAM = join(import.meta.dirname, '../../bin/coffer.ts');

function runProcess(args: readonly string[], options: { input?: string; env?: Record<string, string> } = {}) {
  return spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    input: options.input ?? '',
    env: { ...process.env, HOME: node.folder, VAULT_ADDR: node.address, ...options.env },
  });
}

test('a process ends with the code of its command and leaves nothing open', () => {
  const status = runProcess(['status']);
  assert.equal(status.status, 2);
  assert.match(status.stdout, /Sealed +true/);
  assert.equal(runProcess(['read']).status, 1);
  assert.equal(runProcess(['nope']).status, 127);
});

test('a reader that stops reading is no failure', () => {
  const piped = spawnSync('sh', ['-c', `"${process.execPath}" "${PROGRAM}" -h | true`], { encoding: 'utf8' });
  assert.equal(piped.stderr, '');
});

const hasScript = spawnSync('script', ['--version']).status === 0;

test('a question is asked at a terminal and its answer is not shown', {
  skip: hasScript ? false : 'script, which makes a terminal, is not installed',
}, () => {
  const file = join(node.folder, 'answer');
  writeFileSync(file, 'a-secret-token\n');
  const command = `"${process.execPath}" "${PROGRAM}" login -no-store`;
  const typed = spawnSync(
    'sh',
    ['-c', `(sleep 1; cat "${file}"; sleep 1) | script -qec '${command}' /dev/null`],
    {
      encoding: 'utf8',
      env: { ...process.env, HOME: node.folder, VAULT_ADDR: node.address },
    },
  );
  rmSync(file);
  assert.match(typed.stdout, /Token \(will be hidden\):/);
  assert.doesNotMatch(typed.stdout, /a-secret-token/);
});
