import type { Page } from '../barrier/view.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import { type Input, integer, parseInput, text } from './fields.ts';

/** What every list takes, as OpenBao has it. */
export const pageFields = {
  after: text({ description: 'List only what comes after this entry; it need not exist.', query: true }),
  limit: integer({ description: 'The most entries to return; 0 returns them all.', query: true }),
};

/** For a view's `list` or `keys`. Throws `InvalidRequest`. */
export function pageOf({ after, limit }: Input<typeof pageFields>): Page {
  if (limit !== undefined && limit < 0) throw new InvalidRequest('limit cannot be negative');
  return { after: after || undefined, limit: limit || undefined };
}

/** The same from raw parameters, for free-form paths, where fields would take keys away from the data. */
export function pageFromData(data: UnknownRecord): Page {
  return pageOf(parseInput(pageFields, data));
}
