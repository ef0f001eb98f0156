import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conformanceFailures } from './conformance.ts';
import { type EnginePath, type EngineType, type MountContext, path } from './engine.ts';
import { name, text } from './fields.ts';
import { pageFields, pageOf } from './paging.ts';
import { listReply } from './reply.ts';

const fields = {
  name: name('Which thing.'),
  note: text({ description: 'A note.', default: '' }),
  password: text({ description: 'A password.', secret: true }),
};
const samples = [
  { path: 'things/a', data: { note: 'first', password: 'very secret' } },
  { path: 'things/b', data: { note: 'second' } },
];

/** A sound engine whose parts a test can replace. */
function engine(parts: (mount: MountContext) => Partial<Record<'thing' | 'list' | 'more', EnginePath>>) {
  const type: EngineType = {
    type: 'sample',
    class: 'secret',
    summary: 'For this test.',
    open(mount) {
      const { thing, list, more } = { thing: soundThing, list: soundList, ...parts(mount) };
      return { paths: more ? [thing, list, more] : [thing, list] };
    },
  };
  return { type, samples };
}

const soundThing = path({
  pattern: 'things/{name}',
  summary: 'A thing.',
  fields,
  operations: {
    read: { handler: ({ view }, input) => ({ data: { note: view.get(input.name) ?? null } }) },
    write: {
      handler({ view }, input) {
        view.put(input.name, input.note);
        return undefined;
      },
    },
  },
});

const soundList = path({
  pattern: 'things',
  summary: 'All things.',
  fields: pageFields,
  operations: { list: { handler: ({ view }, input) => listReply(view.list('', pageOf(input))) } },
});

async function titles(parts: Parameters<typeof engine>[0]): Promise<string[]> {
  return [...(await conformanceFailures(engine(parts))).keys()];
}

test('a sound engine has no failures', async () => {
  assert.deepEqual(await titles(() => ({})), []);
});

test('missing descriptions and a second path of one shape are found', async () => {
  const list = path({ ...soundList, summary: ' ', fields: pageFields } as EnginePath);
  assert.deepEqual(await titles(() => ({ list })), ['every path and field is described']);
  const other = { other: name('Which.') };
  const read = { handler: () => undefined };
  const more = path({ pattern: 'things/{other}', summary: 'Again.', fields: other, operations: { read } });
  assert.deepEqual(await titles(() => ({ more })), ['no request could mean two paths']);
});

test('an error that is not one of ours is found', async () => {
  const write = {
    handler(_: unknown, input: { note: string }) {
      if (input.note.includes('\u0000')) throw new TypeError('raw');
      return undefined;
    },
  };
  const thing = path({ pattern: 'things/{name}', summary: 'A thing.', fields, operations: { write } });
  assert.ok((await titles(() => ({ thing }))).includes('bad fields get a clear error and do no harm'));
});

test('an asynchronous handler that is not marked is found', async () => {
  const more = path({
    pattern: 'slow',
    summary: 'Slow.',
    fields: { note: fields.note },
    operations: { write: { handler: async () => undefined } },
  });
  assert.deepEqual(await titles(() => ({ more })), ['bad fields get a clear error and do no harm']);
});

test('a shown secret, an unpaged list and forgotten state are found', async () => {
  const echo = path({
    ...soundThing,
    operations: {
      read: { handler: ({ view }, input) => ({ data: view.get(String(input.name)) ?? {} }) },
      write: {
        handler({ view }, input) {
          view.put(String(input.name), { password: input.password ?? null });
          return undefined;
        },
      },
    },
  } as typeof soundThing);
  assert.deepEqual(await titles(() => ({ thing: echo })), ['reads never show a secret field']);
  const list = path({
    ...soundList,
    operations: { list: { handler: ({ view }) => listReply(view.list('')) } },
  } as typeof soundList);
  assert.deepEqual(await titles(() => ({ list })), ['lists can be walked page by page']);
  const more = (mount: MountContext) => {
    const opened = mount.random.uuid();
    const read = { handler: () => ({ data: { opened } }) };
    return { more: path({ pattern: 'opened', summary: 'When.', fields: {}, operations: { read } }) };
  };
  assert.deepEqual(await titles(more), ['everything is there after a restart']);
});
