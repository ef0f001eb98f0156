import type { AuditDevice } from '../device.ts';

/** Entries to a stream of this process (never ended here), or to nowhere. */
export function outputDevice(stream: NodeJS.WritableStream | undefined): AuditDevice {
  return {
    write: (lines) => (stream ? writeTo(stream, Buffer.concat(lines)) : Promise.resolve()),
    close: async () => {},
  };
}

/** Resolves when the stream has handed the bytes on. */
export function writeTo(stream: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
