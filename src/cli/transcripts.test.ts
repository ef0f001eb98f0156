import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { runCoffer } from './testing.ts';
import { openScriptedServer, parseTranscript } from './transcript-testing.ts';

const folder = join(import.meta.dirname, 'testdata');

for (const file of readdirSync(folder).sort()) {
  test(`${file}: commands against a mock of the server`, async (t) => {
    const server = await openScriptedServer();
    const home = mkdtempSync(join(tmpdir(), 'coffer-cli-'));
    t.after(() => {
      server.close();
      rmSync(home, { recursive: true });
    });
    const text = readFileSync(join(folder, file), 'utf8')
      .replaceAll('$ADDR', server.address)
      .replaceAll('$TMP', home);
    for (const step of parseTranscript(text)) {
      server.play(step.exchanges);
      const result = await runCoffer(step.argv, {
        environment: { VAULT_ADDR: server.address, VAULT_TOKEN: 'a-token', ...step.environment },
        homeDirectory: home,
        ...(step.input !== undefined && { input: step.input }),
        ...(step.answers && { answers: step.answers }),
      });
      const place = `${file}:${step.line}`;
      assert.deepEqual(server.complaints.splice(0), [], place);
      assert.equal(ended(result.error), step.error, `${place}: standard error`);
      assert.equal(ended(result.output), step.output, `${place}: standard output`);
      assert.equal(result.code, step.code, `${place}: exit code`);
      assert.equal(server.left(), 0, `${place}: requests that were not sent`);
    }
  });
}

/** A value of `-field` ends without a newline, which transcripts do not show. */
function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
