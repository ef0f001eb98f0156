import type { AuditDevice } from '../device.ts';

/** Entries to a stream of this process (never ended here), or to nowhere. */
export function outputDevice(stream: NodeJS.WritableStream | undefined): AuditDevice {
  return {
    write: (lines) => (stream ? writeTo(stream, lines.join('')) : Promise.resolve()),
    close: async () => {},
  };
}

/** Resolves when the stream has handed the text on. */
export function writeTo(stream: NodeJS.WritableStream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
