import type { UnknownRecord } from '../base/json.ts';
import type { EnginePath, OperationName, OperationSpec } from './engine.ts';
import type { Field, Fields, FieldType } from './fields.ts';

/** A mount as the document sees it. */
export interface DocumentedMount {
  /** As in `MountInfo`: `secret/`, `auth/approle/`. */
  readonly path: string;
  /** Begins the operation ids: `kv-v2`, `approle`. */
  readonly type: string;
  readonly class: 'secret' | 'auth' | 'system';
  /** Only those the caller may see. */
  readonly paths: readonly EnginePath[];
  /** Always mounted at this path, so it is never generic. */
  readonly singleton?: boolean;
}

export interface DocumentOptions {
  /** Of the server. */
  readonly version: string;
  /** Writes `{approle_mount_path}` for the mount's own path. */
  readonly genericMountPaths?: boolean;
}

/** An OpenAPI 3.0.2 document with Vault's conventions, for generators of clients. */
export function openApiDocument(
  mounts: readonly DocumentedMount[],
  { version, genericMountPaths = false }: DocumentOptions,
): UnknownRecord {
  const document = new Document();
  for (const mount of mounts) {
    for (const path of mount.paths) {
      if (!path.unlisted) document.add(mount, path, genericMountPaths && !mount.singleton);
    }
  }
  return {
    openapi: '3.0.2',
    info: {
      title: 'Coffer API',
      description: 'All paths are under `/v1/`.',
      version,
      license: { name: 'Mozilla Public License 2.0', url: 'https://www.mozilla.org/en-US/MPL/2.0' },
    },
    paths: document.paths,
    components: { schemas: { StandardListResponse: STANDARD_LIST, ...document.schemas } },
  };
}

/** Names of the placeholders in a pattern, in order. */
export function captureNames(pattern: string): string[] {
  return [...pattern.matchAll(/\{(\w+)(?:\.\.\.|\+)?\}/g)].map((match) => match[1]!);
}

const STANDARD_LIST = {
  type: 'object',
  properties: { keys: { type: 'array', items: { type: 'string' } } },
};

const SCHEMA_OF: Record<FieldType, UnknownRecord> = {
  string: { type: 'string' },
  integer: { type: 'integer' },
  number: { type: 'number' },
  boolean: { type: 'boolean' },
  duration: { type: 'string', format: 'duration' },
  list: { type: 'array', items: { type: 'string' } },
  pairs: { type: 'object', format: 'kvpairs' },
  map: { type: 'object', format: 'map' },
  any: {},
  time: { type: 'string', format: 'date-time' },
};

const TAG_OF = new Map([
  ['identity', 'identity'],
  ['auth', 'auth'],
  ['system', 'system'],
]);

class Document {
  readonly paths: Record<string, UnknownRecord> = Object.create(null);
  readonly schemas: Record<string, UnknownRecord> = Object.create(null);
  readonly #operationIds = new Set<string>();

  add(mount: DocumentedMount, path: EnginePath, generic: boolean): void {
    const template = templateOf(mount, path, generic);
    const item = this.#item(mount, path, generic);
    for (const [name, method] of [
      ['read', 'get'],
      ['write', 'post'],
      ['patch', 'patch'],
      ['delete', 'delete'],
    ] as const) {
      const spec = path.operations[name];
      if (spec) item[method] = this.#operation(mount, path, name, spec);
    }
    if (path.operations.read || path.operations.write || path.operations.patch || path.operations.delete) {
      this.paths[template] = item;
    }
    const list = path.operations.list ?? path.operations.scan;
    if (list) {
      // A list has its own path, which ends in a slash: with a read it could not share one `get`.
      this.paths[`${template.replace(/\/$/, '')}/`] = {
        ...this.#item(mount, path, generic),
        ...(path.operations.scan ? { 'x-vault-scan': true } : {}),
        get: this.#operation(mount, path, 'list', list),
      };
    }
  }

  #item(mount: DocumentedMount, path: EnginePath, generic: boolean): UnknownRecord {
    const parameters = captureNames(path.pattern).map((name) => ({
      name,
      description: path.fields[name]?.description,
      in: 'path',
      schema: schemaOf(path.fields[name]),
      required: true,
    }));
    if (generic) parameters.unshift(mountParameter(mount));
    return {
      description: path.summary,
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(path.sudo ? { 'x-vault-sudo': true } : {}),
      ...(path.public ? { 'x-vault-unauthenticated': true } : {}),
      ...(path.exists ? { 'x-vault-createSupported': true } : {}),
    };
  }

  #operation(
    mount: DocumentedMount,
    path: EnginePath,
    name: OperationName,
    spec: OperationSpec<Fields>,
  ): UnknownRecord {
    const operationId = this.#operationId(mount, path, name);
    const writes = name === 'write' || name === 'patch';
    const parameters = writes ? [] : queryParameters(path, name);
    const body = writes ? this.#requestBody(path, name, operationId) : undefined;
    return {
      summary: spec.summary ?? path.summary,
      operationId,
      tags: [TAG_OF.get(mount.type) ?? TAG_OF.get(mount.class) ?? 'secrets'],
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(body ? { requestBody: body } : {}),
      responses: responsesOf(name),
    };
  }

  #requestBody(path: EnginePath, name: OperationName, operationId: string): UnknownRecord | undefined {
    const fields = bodyFields(path);
    if (fields.length === 0 && !path.freeForm) return undefined;
    const schemaName = `${pascalCase(operationId)}Request`;
    const required = fields.filter(([, field]) => field.required).map(([fieldName]) => fieldName);
    this.schemas[schemaName] = {
      type: 'object',
      properties: Object.fromEntries(fields.map(([fieldName, field]) => [fieldName, describedSchema(field)])),
      ...(required.length > 0 && name === 'write' ? { required } : {}),
      ...(path.freeForm ? { additionalProperties: true } : {}),
    };
    const mediaType = name === 'patch' ? 'application/merge-patch+json' : 'application/json';
    const schema = { $ref: `#/components/schemas/${schemaName}` };
    return { required: true, content: { [mediaType]: { schema } } };
  }

  /** `kv-v2-read-data`; a number tells apart what would be the same. */
  #operationId(mount: DocumentedMount, path: EnginePath, name: OperationName): string {
    const words = path.pattern
      .split('/')
      .filter((part) => part !== '' && !part.startsWith('{'))
      .flatMap((part) => part.split(/[^A-Za-z0-9]+/));
    const base = [mount.type, name, ...words].join('-');
    let operationId = base;
    for (let n = 2; this.#operationIds.has(operationId); n++) operationId = `${base}${n}`;
    this.#operationIds.add(operationId);
    return operationId;
  }
}

function templateOf(mount: DocumentedMount, { pattern }: EnginePath, generic: boolean): string {
  const prefix = mount.class === 'auth' ? 'auth/' : '';
  const mounted = generic ? `${prefix}{${mountParameter(mount).name}}/` : mount.path;
  return `/${mounted}${pattern.replaceAll(/(?:\.\.\.|\+)\}/g, '}')}`;
}

function mountParameter(mount: DocumentedMount) {
  return {
    name: `${mount.type.replaceAll('-', '_')}_mount_path`,
    description: 'Path that the backend was mounted at',
    in: 'path',
    schema: { type: 'string', default: mount.path.replace(/^auth\//, '').slice(0, -1) },
    required: true,
  };
}

/** Fields of a request's body. */
function bodyFields(path: EnginePath): [string, Field][] {
  const captured = new Set(captureNames(path.pattern));
  return Object.entries(path.fields).filter(([name]) => !captured.has(name));
}

/** Where a path is also written, only what is marked so is for the query. */
function queryParameters(path: EnginePath, name: OperationName): UnknownRecord[] {
  const fields = bodyFields(path).filter(([, field]) => !path.operations.write || field.query);
  const parameters = fields.map(([fieldName, field]) => ({
    name: fieldName,
    description: field.description,
    in: 'query',
    schema: schemaOf(field),
    ...(field.required && !path.operations.write ? { required: true } : {}),
  }));
  if (name !== 'list') return parameters;
  const list = { type: 'string', enum: ['true'] };
  return [
    { name: 'list', description: 'Must be set to `true`', in: 'query', schema: list, required: true },
    ...parameters,
  ];
}

function schemaOf(field: Field | undefined): UnknownRecord {
  if (!field) return { type: 'string' };
  return {
    ...SCHEMA_OF[field.type],
    ...(field.choices ? { enum: field.choices } : {}),
    ...(field.default === undefined || field.default === '' ? {} : { default: field.default }),
  };
}

function describedSchema(field: Field): UnknownRecord {
  return {
    ...schemaOf(field),
    description: field.description,
    ...(field.deprecated ? { deprecated: true } : {}),
    ...(field.secret ? { 'x-vault-displayAttrs': { sensitive: true } } : {}),
  };
}

function responsesOf(name: OperationName): UnknownRecord {
  if (name === 'delete') return { '204': { description: 'empty body' } };
  if (name !== 'list') return { '200': { description: 'OK' } };
  const schema = { $ref: '#/components/schemas/StandardListResponse' };
  return { '200': { description: 'OK', content: { 'application/json': { schema } } } };
}

function pascalCase(operationId: string): string {
  return operationId
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
