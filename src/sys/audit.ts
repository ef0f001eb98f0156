import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, lowerCase, pairs, restOfPath, text, withoutTrailingSlash } from '../engine/fields.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/** `sys/audit*` and the configuration of audited request headers. */
export function auditPaths({ audit }: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'audit',
      summary: 'Lists the audit devices.',
      sudo: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({
            data: Object.fromEntries(audit.list().map((device) => [device.path, device])),
            topLevel: 'also',
          }),
        },
      },
    }),
    systemPath({
      pattern: 'audit/{path...}',
      summary: 'Enables or disables an audit device.',
      sudo: true,
      fields: {
        path: restOfPath('The device’s name.', { canonical: withoutTrailingSlash }),
        type: text({ description: 'file, syslog, socket or http.' }),
        description: text({ description: 'For humans.', default: '' }),
        local: boolean({ description: 'Not replicated.', default: false }),
        options: pairs({ description: 'Options of the type.' }),
      },
      operations: {
        write: {
          outside: true,
          async handler(context, input) {
            if (!input.type) throw new InvalidRequest('type must be specified');
            const { warnings } = await audit.enable(context.session, {
              ...input,
              type: input.type,
              options: input.options ?? {},
            });
            return warnings.length > 0 ? { warnings } : undefined;
          },
        },
        delete: {
          // The end of a device is on record before there is nobody left to record it.
          outside: true,
          handler(context, input) {
            audit.disable(context.session, input.path);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'audit-hash/{path...}',
      summary: 'Hashes a text as an audit device does, to find it in its log.',
      fields: {
        path: restOfPath('The device.', { canonical: withoutTrailingSlash }),
        input: text({ description: 'The text.', secret: true }),
      },
      operations: {
        write: {
          handler(_, input) {
            if (!input.input) throw new InvalidRequest('the "input" parameter is empty');
            return { data: { hash: audit.hash(input.path, input.input) }, topLevel: 'also' };
          },
        },
      },
    }),
    ...headerPaths(audit),
  ];
}

function headerPaths(audit: SystemParts['audit']): EnginePath[] {
  return [
    systemPath({
      pattern: 'config/auditing/request-headers',
      summary: 'Lists the request headers that are audited.',
      sudo: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({ data: { headers: Object.fromEntries(audit.headers.audited) }, topLevel: 'also' }),
        },
      },
    }),
    systemPath({
      pattern: 'config/auditing/request-headers/{header}',
      summary: 'Whether a request header is audited, and hashed.',
      sudo: true,
      fields: {
        header: text({ description: 'The header.', required: true, canonical: lowerCase }),
        hmac: boolean({ description: 'Show its hash, not its value.', default: false }),
      },
      operations: {
        read: {
          handler(_, input) {
            const header = audit.headers.get(input.header);
            if (!header) throw new InvalidRequest('Could not find header in config');
            return { data: { [input.header]: header }, topLevel: 'also' };
          },
        },
        write: {
          handler(context, input) {
            audit.headers.set(context.session, input.header, { hmac: input.hmac });
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            audit.headers.remove(context.session, input.header);
            return undefined;
          },
        },
      },
    }),
  ];
}
