import { BlockList, isIP, type Socket } from 'node:net';
import { InvalidRequest } from '../base/errors.ts';

/** Who sent a request, as policies, quotas and the audit log see it. On a Unix socket the address is empty. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface ForwardedForRules {
  /** Proxies whose X-Forwarded-For is believed; undefined ignores the header. */
  readonly authorized: BlockList | undefined;
  /** Addresses left out from the rear of the chain. */
  readonly hopSkips: number;
  readonly rejectNotPresent: boolean;
  readonly rejectNotAuthorized: boolean;
}

/** Addresses and CIDR ranges as one list to check against; undefined when there are none. Throws on a bad one. */
export function addressList(texts: readonly string[]): BlockList | undefined {
  const list = new BlockList();
  const given = texts.map((text) => text.trim()).filter((text) => text !== '');
  for (const text of given) {
    const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const family = isIP(address);
    const width = family === 4 ? 32 : 128;
    const bits = prefix === undefined ? width : Number(prefix);
    if (family === 0 || bits > width) throw new InvalidRequest(`invalid CIDR or IP address ${text}`);
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return given.length > 0 ? list : undefined;
}

export function listHolds(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

export function remoteOf(socket: Socket): Remote {
  return { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
}

/** A dual-stack socket shows IPv4 peers as `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/**
 * The client's address behind authorised proxies: the last of the X-Forwarded-For chain after `hopSkips` are left
 * out. Throws `InvalidRequest`, with the texts that operators of Vault know, where the rules reject.
 */
export function forwardedRemote(
  remote: Remote,
  header: string | undefined,
  rules: ForwardedForRules,
): Remote {
  if (!rules.authorized) return remote;
  if (header === undefined || header === '') {
    if (!rules.rejectNotPresent) return remote;
    throw new InvalidRequest('missing x-forwarded-for header and configured to reject when not present');
  }
  if (!listHolds(rules.authorized, remote.address)) {
    if (!rules.rejectNotAuthorized) return remote;
    throw new InvalidRequest(
      'client address not authorized for x-forwarded-for and configured to reject connection',
    );
  }
  const chain = header.split(',').map((address) => address.trim());
  const address = chain[chain.length - 1 - rules.hopSkips];
  if (address === undefined) {
    throw new InvalidRequest(
      `malformed x-forwarded-for configuration or request, hops to skip (${rules.hopSkips}) would skip before earliest chain link (chain length ${chain.length})`,
    );
  }
  if (isIP(address) === 0) throw new InvalidRequest('malformed x-forwarded-for header');
  return { address: plainAddress(address), port: remote.port };
}
