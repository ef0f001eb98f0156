import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import { BAD_WRAPPING_TOKEN } from '../wrapping/wrapping.ts';
import type { SystemParts } from './parts.ts';

/** `sys/wrapping/*`. A wrapping token may come in the body, or as the request's own token. */
export function wrappingPaths({ wrapping }: SystemParts): EnginePath[] {
  const token = text({ description: 'The wrapping token; without it, the request’s own.', secret: true });
  const idOf = (context: SystemContext, given: string | undefined): string => {
    const id = given || context.tokenText;
    if (!id) throw new InvalidRequest('missing "token" value in input');
    return id;
  };
  const lookup = (context: SystemContext, given: string | undefined) => ({
    data: { ...wrapping.lookup(context.session, context.namespace.id, idOf(context, given)) },
  });
  return [
    systemPath({
      pattern: 'wrapping/wrap',
      summary: 'Wraps what is sent.',
      fields: {},
      freeForm: true,
      operations: {
        write: {
          handler(context) {
            if (context.request.wrapTtl === 0)
              throw new InvalidRequest('endpoint requires response wrapping to be used');
            return { data: { ...context.request.data } };
          },
        },
      },
    }),
    systemPath({
      pattern: 'wrapping/lookup',
      summary: 'Shows what a wrapping token is for, without using it up.',
      public: true,
      fields: { token },
      operations: {
        read: { handler: (context, input) => lookup(context, input.token) },
        write: { handler: (context, input) => lookup(context, input.token) },
      },
    }),
    systemPath({
      pattern: 'wrapping/unwrap',
      summary: 'Gives the wrapped reply, once.',
      badToken: BAD_WRAPPING_TOKEN,
      fields: { token },
      operations: {
        write: {
          handler: (context, input) => ({
            whole: wrapping.unwrap(context.session, context.namespace.id, idOf(context, input.token)),
          }),
        },
      },
    }),
    systemPath({
      pattern: 'wrapping/rewrap',
      summary: 'Moves a wrapped reply to a new wrapping token.',
      badToken: BAD_WRAPPING_TOKEN,
      fields: { token },
      operations: {
        write: {
          handler(context, input) {
            const info = wrapping.rewrap(context.session, context.namespace.id, idOf(context, input.token));
            return {
              whole: {
                lease_id: '',
                renewable: false,
                lease_duration: 0,
                data: null,
                wrap_info: info,
                warnings: null,
                auth: null,
              },
            };
          },
        },
      },
    }),
  ];
}
