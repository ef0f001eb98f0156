/** Overwrites buffers that held key material; `undefined` entries are skipped so that clean-up code stays short. */
export function zero(...buffers: (Uint8Array | undefined)[]): void {
  for (const buffer of buffers) buffer?.fill(0);
}

/** Runs `work` with `secret` and overwrites `secret` whatever happens. */
export async function withZeroed<T>(secret: Buffer, work: (secret: Buffer) => T | Promise<T>): Promise<T> {
  try {
    return await work(secret);
  } finally {
    secret.fill(0);
  }
}
