import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { formatHcl } from './format-hcl.ts';

function format(source: string): string {
  const result = formatHcl(source);
  assert.ok('text' in result, JSON.stringify(result));
  return result.text;
}

test('a policy is laid out', () => {
  const source = `

# who may
path   "secret/*"{
capabilities=["read",   "list"]
      min_wrapping_ttl="1s"   # soon


allowed_parameters={
"a"=[]
      "bcd" =["x"]
}
}



path "a" { capabilities = ["deny"] }
`;
  assert.equal(
    format(source),
    `# who may
path   "secret/*" {
  capabilities     = ["read",   "list"]
  min_wrapping_ttl = "1s"   # soon

  allowed_parameters = {
    "a"   = []
    "bcd" = ["x"]
  }
}

path "a" { capabilities = ["deny"] }
`,
  );
});

test('heredocs, block comments and = in texts are left alone', () => {
  const source = 'a = <<EOT\n   x = y\n{\nEOT\n/* b=c\n   { */\n"k=1" = "v=2"\n';
  assert.equal(format(source), source);
});

test('mistakes are named by line', () => {
  assert.deepEqual(formatHcl('path "a" {\n'), { line: 1, problem: '"{" is never closed' });
  assert.deepEqual(formatHcl('a = 1\n}\n'), { line: 2, problem: '"}" closes nothing' });
  assert.deepEqual(formatHcl('path "a {\n'), {
    line: 1,
    problem: 'a text in quotes does not end on its line',
  });
  assert.deepEqual(formatHcl('a = <<EOT\nx\n'), { line: 3, problem: 'the text up to EOT never ends' });
});

test('a property: formatting twice changes nothing, and once only blanks', () => {
  const piece = fc.constantFrom(
    'a = 1',
    'bcd="x = y"',
    'path "p" {',
    '}',
    'list = [',
    ']',
    '"e",',
    '# c = d',
    '',
    '  ',
    'm = { a = 1 }',
  );
  fc.assert(
    fc.property(fc.array(piece), (lines) => {
      const result = formatHcl(lines.join('\n'));
      if (!('text' in result)) return;
      assert.equal(format(result.text), result.text);
      assert.equal(result.text.replace(/\s/g, ''), lines.join('\n').replace(/\s/g, ''));
    }),
  );
});
