import type { Session } from '../barrier/session.ts';
import { InvalidRequest, NotFound, unlessCorrupt } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts';
import type { EnginePath } from '../engine/engine.ts';
import { any, boolean, list, lowerCase, text } from '../engine/fields.ts';
import { listReply } from '../engine/reply.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

const SETTINGS = 'core/config/';
/** Headers that the web interface and clients send; always allowed across origins. */
const CORS_HEADERS = [
  'Content-Type',
  'X-Requested-With',
  'X-Vault-AWS-IAM-Server-ID',
  'X-Vault-MFA',
  'X-Vault-No-Request-Forwarding',
  'X-Vault-Wrap-Format',
  'X-Vault-Wrap-TTL',
  'X-Vault-Policy-Override',
  'Authorization',
  'X-Vault-Token',
  'X-Vault-Namespace',
];

/** `sys/config/*` and `sys/loggers`. */
export function configPaths(parts: SystemParts): EnginePath[] {
  return [
    ...corsPaths(parts),
    ...uiHeaderPaths(parts),
    ...loggerPaths(parts),
    systemPath({
      pattern: 'config/state/sanitized',
      summary: 'Shows the server’s configuration without secrets.',
      sudo: true,
      fields: {},
      operations: { read: { handler: () => ({ data: parts.server.sanitizedConfig, topLevel: 'also' }) } },
    }),
    systemPath({
      pattern: 'config/reload/{subsystem}',
      summary: 'Reads configuration, certificates or log files again.',
      sudo: true,
      fields: { subsystem: text({ description: 'license, tls, audit, log or all.', required: true }) },
      operations: {
        write: {
          outside: true,
          async handler(_, input) {
            await parts.server.reload(input.subsystem);
            return undefined;
          },
        },
      },
    }),
  ];
}

/** Brings stored settings into force; at unseal. */
export function loadSettings(parts: Pick<SystemParts, 'server'>, session: Session): void {
  const stored = <T>(key: string) => unlessCorrupt(() => session.view(SETTINGS).get<T>(key), undefined);
  const cors = stored<Partial<SystemParts['server']['cors']>>('cors');
  Object.assign(
    parts.server.cors,
    { enabled: false, allowedOrigins: [], allowedHeaders: [...CORS_HEADERS], allowCredentials: false },
    cors,
  );
  parts.server.uiHeaders.clear();
  for (const [header, values] of Object.entries(stored<Record<string, string[]>>('ui-headers') ?? {})) {
    parts.server.uiHeaders.set(header, values);
  }
}

function corsPaths({ server }: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'config/cors',
      summary: 'Which pages of other origins may call the API.',
      sudo: true,
      fields: {
        enable: boolean({ description: 'Turned on.' }),
        allowed_origins: list({ description: 'Origins, or * for any.' }),
        allowed_headers: list({ description: 'Further request headers they may send.' }),
        allow_credentials: boolean({ description: 'They may send credentials.' }),
      },
      operations: {
        read: {
          handler: () => ({
            data: server.cors.enabled
              ? {
                  enabled: true,
                  allowed_origins: server.cors.allowedOrigins,
                  allowed_headers: server.cors.allowedHeaders,
                  allow_credentials: server.cors.allowCredentials,
                }
              : { enabled: false },
            topLevel: 'also',
          }),
        },
        write: {
          handler(context, input) {
            const origins = input.allowed_origins ?? [];
            if (origins.length === 0)
              throw new InvalidRequest('at least one origin or the wildcard must be provided');
            if (origins.includes('*') && origins.length > 1)
              throw new InvalidRequest(
                "to allow all origins the '*' must be the only value for allowed_origins",
              );
            Object.assign(server.cors, {
              enabled: input.enable ?? true,
              allowedOrigins: origins,
              allowedHeaders: [...new Set([...CORS_HEADERS, ...(input.allowed_headers ?? [])])],
              allowCredentials: input.allow_credentials ?? false,
            });
            context.session.view(SETTINGS).put('cors', { ...server.cors });
            return undefined;
          },
        },
        delete: {
          handler(context) {
            server.cors.enabled = false;
            context.session.view(SETTINGS).delete('cors');
            return undefined;
          },
        },
      },
    }),
  ];
}

function uiHeaderPaths({ server }: SystemParts): EnginePath[] {
  const store = (session: Session) =>
    session.view(SETTINGS).put('ui-headers', Object.fromEntries(server.uiHeaders));
  const header = text({ description: 'The header.', required: true, canonical: lowerCase });
  return [
    systemPath({
      pattern: 'config/ui/headers',
      summary: 'Lists the headers that pages of the web interface are sent with.',
      sudo: true,
      fields: {},
      operations: { list: { handler: () => listReply([...server.uiHeaders.keys()].sort()) } },
    }),
    systemPath({
      pattern: 'config/ui/headers/{header}',
      summary: 'A header that pages of the web interface are sent with.',
      sudo: true,
      fields: {
        header,
        values: list({ description: 'Its values.' }),
        multivalue: boolean({ description: 'Shows all values.', default: false }),
      },
      operations: {
        read: {
          handler(_, input) {
            const values = server.uiHeaders.get(input.header);
            if (!values) throw new NotFound();
            return { data: input.multivalue ? { values } : { value: values[0] ?? '' }, topLevel: 'also' };
          },
        },
        write: {
          handler(context, input) {
            const headerName = input.header;
            if (headerName.startsWith('x-vault-')) throw new InvalidRequest('X-Vault headers cannot be set');
            if (!/^[a-z0-9-]{1,100}$/.test(headerName)) throw new InvalidRequest('invalid header name');
            const values = input.values ?? [];
            if (values.length === 0 || values.some((value) => /[\r\n\0]/.test(value)))
              throw new InvalidRequest('header values cannot be empty');
            server.uiHeaders.set(headerName, values);
            store(context.session);
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            server.uiHeaders.delete(input.header);
            store(context.session);
            return undefined;
          },
        },
      },
    }),
  ];
}

function loggerPaths({ logLevels }: SystemParts): EnginePath[] {
  const level = any({ description: 'trace, debug, info, warn or error.' });
  const parse = (value: unknown): LogLevel => {
    const wanted =
      value === 'warning' ? 'warn' : value === 'err' ? 'error' : value === 'notice' ? 'info' : value;
    const known = LOG_LEVELS.find((each) => each === wanted);
    if (!known)
      throw new InvalidRequest(`invalid level provided: ${typeof value === 'string' ? value : 'not text'}`);
    return known;
  };
  const shown = (names: readonly string[]) =>
    Object.fromEntries(names.map((each) => [each || 'core', logLevels.level(each)]));
  return [
    systemPath({
      pattern: 'loggers',
      summary: 'The levels of the server log, by subsystem.',
      sudo: true,
      fields: { level },
      operations: {
        read: { handler: () => ({ data: shown(logLevels.names()) }) },
        write: {
          handler(_, input) {
            logLevels.set(undefined, parse(input.level));
            return undefined;
          },
        },
        delete: {
          handler() {
            logLevels.reset(undefined);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'loggers/{name}',
      summary: 'The level of one subsystem’s log.',
      sudo: true,
      fields: { name: text({ description: 'The subsystem.', required: true }), level },
      operations: {
        read: {
          handler(_, input) {
            if (!logLevels.names().includes(input.name))
              throw new InvalidRequest(`logger ${JSON.stringify(input.name)} not found`);
            return { data: shown([input.name]) };
          },
        },
        write: {
          handler(_, input) {
            if (!logLevels.names().includes(input.name))
              throw new InvalidRequest(`logger ${JSON.stringify(input.name)} not found`);
            logLevels.set(input.name, parse(input.level));
            return undefined;
          },
        },
        delete: {
          handler(_, input) {
            logLevels.reset(input.name);
            return undefined;
          },
        },
      },
    }),
  ];
}
