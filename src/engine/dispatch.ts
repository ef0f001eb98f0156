import { type CofferError, InvalidRequest, UnsupportedOperation, UnsupportedPath } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath, Operation, OperationName, OperationSpec, RequestContext } from './engine.ts';
import { type Fields, type Input, parseInput } from './fields.ts';
import type { Reply } from './reply.ts';
import type { PathTable } from './router.ts';

/**
 * How a request becomes a call of one of an engine's handlers: the same steps for the pipeline and for an engine's
 * tests. Nothing here throws before `runOperation`, so that policy has its say first and who may not use a path does
 * not learn whether it exists.
 */

/** Where a request leads; `path` is undefined for an unsupported path, `spec` for an unsupported operation. */
export interface FoundOperation {
  readonly path: EnginePath | undefined;
  readonly spec: OperationSpec<Fields> | undefined;
  readonly captures: Readonly<Record<string, string>>;
  /** Relative to the mount, as asked for. */
  readonly requestPath: string;
  /** The same in the one spelling of all that lead here: policy rules for it hold too. */
  readonly canonicalPath: string;
  readonly operation: Operation;
}

/** A found operation with its input, or with the error that `runOperation` will throw. */
export interface ParsedOperation extends FoundOperation {
  readonly input: Input<Fields> | undefined;
  readonly error: CofferError | undefined;
  /** For the reply: parameters that no field took. */
  readonly warnings: readonly string[];
}

const NAME_OF = new Map<Operation, OperationName>([
  ['create', 'write'],
  ['update', 'write'],
  ['read', 'read'],
  ['patch', 'patch'],
  ['delete', 'delete'],
  ['list', 'list'],
  ['scan', 'scan'],
]);

/** Operations whose parameters are in the query; those of the others are in the body. */
const QUERIED: ReadonlySet<Operation> = new Set(['read', 'delete', 'list', 'scan', 'help']);

/** `requestPath` is relative to the mount; for a write `operation` may be create or update, it is not yet known which. */
export function findOperation(table: PathTable, requestPath: string, operation: Operation): FoundOperation {
  const match = table.match(requestPath);
  const operationName = NAME_OF.get(operation);
  return {
    path: match?.path,
    spec: operationName && match?.path.operations[operationName],
    captures: match?.captures ?? {},
    requestPath,
    canonicalPath: match ? asFolder(match.canonicalPath, operation) : requestPath,
    operation,
  };
}

/** Lists are about a folder. */
function asFolder(path: string, operation: Operation): string {
  const listing = operation === 'list' || operation === 'scan';
  return listing && path !== '' && !path.endsWith('/') ? `${path}/` : path;
}

/** The parameters as sent. */
export function requestData(
  operation: Operation,
  sent: { query: UnknownRecord; body: UnknownRecord | undefined },
): UnknownRecord {
  return QUERIED.has(operation) ? sent.query : (sent.body ?? {});
}

/** What the path says wins over a parameter of the same name. */
export function parseOperation(found: FoundOperation, data: UnknownRecord): ParsedOperation {
  const { path, spec, captures } = found;
  const none = { ...found, input: undefined, error: undefined, warnings: [] };
  if (!path || !spec) return none;
  try {
    const partial = path.operations.write !== undefined && spec !== path.operations.write;
    const input = parseInput(path.fields, { ...data, ...captures }, { partial });
    return { ...none, input, warnings: path.freeForm ? [] : parameterWarnings(path.fields, captures, data) };
  } catch (error) {
    if (error instanceof InvalidRequest) return { ...none, error };
    throw error;
  }
}

/** Whether the token's policies must grant `sudo` as well. */
export function needsSudo(found: FoundOperation | undefined): boolean {
  return (found?.path?.sudo || found?.spec?.sudo) ?? false;
}

/** Which of the two a write is; the policy and audit steps need it. */
export function createOrUpdate(parsed: ParsedOperation, context: RequestContext): 'create' | 'update' {
  if (!parsed.path?.exists || !parsed.input) return 'update';
  return parsed.path.exists(context, parsed.input) ? 'update' : 'create';
}

/**
 * Calls the handler. Throws `UnsupportedPath`, `UnsupportedOperation`, `InvalidRequest` for bad input, and what the
 * handler throws.
 */
export function runOperation(
  parsed: ParsedOperation,
  context: RequestContext,
): Reply | undefined | Promise<Reply | undefined> {
  const { path, spec, input, error } = parsed;
  if (!path) throw new UnsupportedPath();
  if (!spec) throw new UnsupportedOperation();
  // In a tree of secrets `a/` could mean the folder or a secret without a name: Vault refuses it for every engine.
  if (parsed.requestPath.endsWith('/') && WRITES.has(parsed.operation)) {
    throw new InvalidRequest("cannot write to a path ending in '/'");
  }
  if (error) throw error;
  if (!input) throw new Error(`operation on ${path.pattern} was found but not parsed`);
  for (const warning of parsed.warnings) context.warn(warning);
  const reply = spec.handler(context, input);
  if (reply instanceof Promise && !spec.outside && !spec.slow) {
    reply.catch(() => {});
    throw new Error(`handler of ${path.pattern} is asynchronous but not marked "outside" or "slow"`);
  }
  return reply;
}

const WRITES: ReadonlySet<Operation> = new Set(['create', 'update', 'patch']);

function parameterWarnings(
  fields: Fields,
  captures: Readonly<Record<string, string>>,
  data: UnknownRecord,
): string[] {
  const ignored: string[] = [];
  const replaced: string[] = [];
  for (const parameter in data) {
    if (!Object.hasOwn(fields, parameter)) ignored.push(parameter);
    else if (Object.hasOwn(captures, parameter) && captures[parameter] !== data[parameter])
      replaced.push(parameter);
  }
  const warnings: string[] = [];
  if (ignored.length > 0) {
    warnings.push(`Endpoint ignored these unrecognized parameters: [${ignored.sort().join(' ')}]`);
  }
  if (replaced.length > 0) {
    warnings.push(
      `Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [${replaced.sort().join(' ')}]`,
    );
  }
  return warnings;
}
