import { UnsupportedPath } from '../base/errors.ts';
import type { Exchange } from './exchange.ts';

/** There is the root namespace. A request for another must not be answered from this one. */
export function resolveNamespace({ wire, path }: Exchange): void {
  const header = wire.headers['x-vault-namespace'];
  const wanted = String(header ?? '').replace(/^\/+|\/+$/g, '');
  if (wanted !== '' && wanted !== 'root') {
    throw new UnsupportedPath(
      `no handler for route ${JSON.stringify(`${wanted}/${path}`)}. route entry not found.`,
    );
  }
}
