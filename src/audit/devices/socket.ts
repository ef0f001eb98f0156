import { InvalidRequest } from '../../base/errors.ts';
import { type AuditDeviceType, requiredOption } from '../device.ts';
import {
  type Connection,
  type ConnectionOptions,
  datagramConnection,
  streamConnection,
} from './connection.ts';
import { parseHostAndPort, writeTimeoutMs } from './destination.ts';

/**
 * Entries to a TCP, UDP or Unix stream socket, one JSON object per line or datagram. Unix datagram sockets are out of
 * reach: Node has no call for them. UDP tells nobody about loss; TCP may lose what was under way when the peer went.
 */
export const socketDevice: AuditDeviceType = {
  type: 'socket',
  options: ['address', 'socket_type', 'write_timeout'],
  configure(options, { clock }) {
    const address = requiredOption(options, 'address');
    const socketType = options.socket_type || 'tcp';
    const connectionOf = SOCKET_TYPES.get(socketType);
    if (!connectionOf) {
      throw new InvalidRequest(
        `unsupported socket_type ${JSON.stringify(socketType)}: use one of ${[...SOCKET_TYPES.keys()].join(', ')}`,
      );
    }
    const open = connectionOf(address, { clock, timeoutMs: writeTimeoutMs(options) });
    return async () => {
      const connection = open();
      return {
        write: (lines) => connection.send(lines),
        reload: async () => connection.close(),
        close: async () => connection.close(),
      };
    };
  },
};

type ConnectionOf = (address: string, options: ConnectionOptions) => () => Connection;

const tcp =
  (family: 0 | 4 | 6): ConnectionOf =>
  (address, options) => {
    const target = { ...parseHostAndPort(address), family };
    return () => streamConnection(target, options);
  };
const udp: ConnectionOf = (address, options) => {
  const target = parseHostAndPort(address);
  return () => datagramConnection(target, options);
};
const unix: ConnectionOf = (path, options) => () => streamConnection({ path }, options);

/** Names as Go's `net.Dial` has them. */
const SOCKET_TYPES: ReadonlyMap<string, ConnectionOf> = new Map([
  ['tcp', tcp(0)],
  ['tcp4', tcp(4)],
  ['tcp6', tcp(6)],
  ['udp', udp],
  ['unix', unix],
]);
