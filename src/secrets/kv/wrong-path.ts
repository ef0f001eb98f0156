import { type OperationName, type OperationSpec, path } from '../../engine/engine.ts';
import { restOfPath } from '../../engine/fields.ts';

/** A request for `secret/foo` where `secret/data/foo` was meant: the commonest mistake there is, told as Vault tells it. */
const fields = { path: restOfPath('Where the secret was thought to lie.') };

const COMMANDS: readonly (readonly [OperationName, string])[] = [
  ['read', 'get'],
  ['write', 'put'],
  ['patch', 'patch'],
  ['delete', 'delete'],
  ['list', 'list'],
];

export const wrongPath = path({
  pattern: '{path...}',
  summary: 'No path of a versioned mount.',
  unlisted: true,
  freeForm: true,
  fields,
  operations: Object.fromEntries(
    COMMANDS.map(([operation, command]): [OperationName, OperationSpec<typeof fields>] => [
      operation,
      { handler: () => ({ status: 404, warnings: [hint(command)] }) },
    ]),
  ),
});

function hint(command: string): string {
  return `Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv ${command}' for this operation.`;
}
