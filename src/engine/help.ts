import { UnsupportedPath } from '../base/errors.ts';
import type { Engine, EnginePath, MountInfo, OperationName } from './engine.ts';
import type { Field } from './fields.ts';
import { type DocumentedMount, openApiDocument } from './openapi.ts';
import type { Reply } from './reply.ts';
import { PathTable } from './router.ts';

/** What help needs to know of an open mount. */
export interface HelpedMount {
  readonly info: Pick<MountInfo, 'path' | 'type' | 'class'>;
  /** Undefined when the mount could not be opened. */
  readonly engine: Pick<Engine, 'paths'> | undefined;
  readonly table?: PathTable;
}

/**
 * `?help=1`: what a mount or one of its paths is for, as text and as an OpenAPI document. `requestPath` is relative to the
 * mount; '' asks about the mount. Throws `UnsupportedPath`.
 */
export function pathHelp(mount: HelpedMount, requestPath: string): Reply {
  const paths = (mount.engine?.paths ?? []).filter((path) => !path.unlisted);
  if (requestPath === '') return helpReply(mountText(mount, paths), { ...mount.info, paths });
  const path = (mount.table ?? new PathTable(mount.engine?.paths ?? [])).match(requestPath)?.path;
  if (!path || path.unlisted) throw new UnsupportedPath();
  return helpReply(pathText(path, requestPath), { ...mount.info, paths: [path] });
}

function helpReply(help: string, documented: DocumentedMount): Reply {
  const openapi = openApiDocument([documented], { version: '1.0.0' });
  return { topLevel: 'only', data: { help, see_also: null, openapi } };
}

function mountText({ info }: HelpedMount, paths: readonly EnginePath[]): string {
  return sections([
    ['DESCRIPTION', `${info.path} is a mount of type ${info.type}.`],
    [
      'PATHS',
      [
        'These are its paths, relative to the mount. Ask for help on one of them for its parameters. What your',
        'token may do there is for its policies to say.',
      ].join('\n'),
      ...paths.map(
        (path) => `${indented(path.pattern || '(the mount itself)')}\n${indented(path.summary, 8)}`,
      ),
    ],
  ]);
}

function pathText(path: EnginePath, requestPath: string): string {
  const fields = Object.entries(path.fields).map(([name, field]) => fieldText(name, field));
  const operations = Object.entries(path.operations).map(([name, spec]) =>
    indented(`${OPERATION_TEXT[name as OperationName]}${spec.summary ? `: ${spec.summary}` : ''}`),
  );
  const head = `Request:        ${requestPath}\nMatching Route: ${path.pattern}\n\n${path.summary}`;
  return [
    head,
    sections([
      ...(fields.length > 0 ? [['PARAMETERS', ...fields]] : []),
      ['OPERATIONS', operations.join('\n')],
      ...(path.description ? [['DESCRIPTION', path.description]] : []),
    ]),
  ].join('\n\n');
}

const OPERATION_TEXT: Record<OperationName, string> = {
  read: 'read (GET)',
  write: 'write (POST, PUT)',
  patch: 'patch (PATCH)',
  delete: 'delete (DELETE)',
  list: 'list (LIST)',
  scan: 'scan (SCAN)',
};

function fieldText(name: string, field: Field): string {
  const notes = [
    field.required ? 'Required.' : '',
    field.deprecated ? 'Deprecated.' : '',
    field.choices ? `One of ${field.choices.join(', ')}.` : '',
    field.default === undefined || field.default === '' ? '' : `Default: ${JSON.stringify(field.default)}.`,
  ];
  const text = [field.description, ...notes].filter(Boolean).join(' ');
  return `${indented(`${name} (${field.type})`)}\n${indented(text, 8)}`;
}

/** Each a title and its paragraphs. */
function sections(all: readonly (readonly string[])[]): string {
  return all.map(([title, ...paragraphs]) => [`## ${title}`, ...paragraphs].join('\n\n')).join('\n\n');
}

function indented(text: string, spaces = 4): string {
  return text.replace(/^/gm, ' '.repeat(spaces));
}
