/**
 * The cubbyhole: a place that only one token can reach and that goes when the token does. Owns the values; when a token
 * ends is the host's to say.
 */
import type { View } from '../../barrier/view.ts';
import { InvalidRequest, NotFound } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { type Engine, type EngineType, path, type RequestContext } from '../../engine/engine.ts';
import { restOfPath } from '../../engine/fields.ts';
import { pageFromData } from '../../engine/paging.ts';
import { listReply } from '../../engine/reply.ts';

const cubbyholePath = path({
  pattern: '{path...}',
  summary: "Writes, reads, lists and deletes the token's own secrets.",
  description: 'Nobody else can read them, not even root, and they go when the token ends.',
  fields: { path: restOfPath('Where the secret lies.') },
  freeForm: true,
  exists: (context, input) =>
    context.caller?.tokenType === 'service' && own(context).get(input.path) !== undefined,
  operations: {
    read: {
      handler(context, input) {
        const data = own(context).get<UnknownRecord>(secretPath(input.path));
        if (!data) throw new NotFound();
        return { data };
      },
    },
    write: {
      handler(context, input) {
        const { data } = context.request;
        if (Object.keys(data).length === 0) throw new InvalidRequest('missing data fields');
        own(context).put(secretPath(input.path), data);
        return undefined;
      },
    },
    delete: {
      handler(context, input) {
        own(context).delete(secretPath(input.path));
        return undefined;
      },
    },
    list: {
      handler(context, input) {
        const folder = input.path === '' || input.path.endsWith('/') ? input.path : `${input.path}/`;
        return listReply(own(context).list(folder, pageFromData(context.request.data)));
      },
    },
  },
});

export const cubbyhole: EngineType = {
  type: 'cubbyhole',
  class: 'secret',
  summary: "Keeps each token's own secrets, for as long as the token lives.",
  singleton: true,
  open: () => OPEN,
};

/** Keeps nothing of its mount, so that one serves those of all namespaces. */
const OPEN: Engine = {
  paths: [cubbyholePath],
  forgetToken({ view }, tokenKey) {
    const records = tokenView(view, tokenKey);
    for (const key of [...records.keys('')]) records.delete(key);
  },
};

/** The caller's part. Throws `InvalidRequest` for a batch token, whose end nobody would notice. */
function own({ view, caller }: RequestContext): View {
  if (caller?.tokenType !== 'service') {
    throw new InvalidRequest('cubbyhole operations are only supported by "service" type tokens');
  }
  return tokenView(view, caller.tokenKey);
}

function tokenView(view: View, tokenKey: string): View {
  return view.under(`${encodeURIComponent(tokenKey)}/`);
}

function secretPath(asked: string): string {
  if (asked === '' || asked.endsWith('/')) throw new InvalidRequest('missing path');
  return asked;
}
