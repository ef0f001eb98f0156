import { findOperation } from './dispatch.ts';
import type { EnginePath, Operation } from './engine.ts';
import { PathTable } from './router.ts';

const OPERATIONS = new Map<string, readonly Operation[]>([
  ['GET', ['read', 'list']],
  ['POST', ['update']],
  ['PATCH', ['patch']],
  ['DELETE', ['delete']],
]);

/**
 * For tests: which of the public operations an engine lacks. `table` has lines of method, path template and request
 * fields (`POST /auth/approle/login<TAB>role_id,secret_id`) of one mount; `mountPath` has its trailing slash.
 */
export function missingOperations(
  paths: readonly EnginePath[],
  { table, mountPath }: { table: string; mountPath: string },
): string[] {
  const pathTable = new PathTable(paths);
  const missing: string[] = [];
  for (const line of table.split('\n').filter(Boolean)) {
    const [operation = '', fieldNames = ''] = line.split('\t');
    const [method = '', template = ''] = operation.split(' ');
    const requestPath = template.slice(`/${mountPath}`.length).replaceAll(/\{(\w+)\}/g, 'any');
    const found = (OPERATIONS.get(method) ?? [])
      .map((name) => findOperation(pathTable, requestPath, name))
      .find(({ spec }) => spec);
    if (!found?.path) missing.push(operation);
    else {
      for (const fieldName of fieldNames.split(',').filter(Boolean)) {
        if (!Object.hasOwn(found.path.fields, fieldName)) missing.push(`${operation}: ${fieldName}`);
      }
    }
  }
  return missing;
}
