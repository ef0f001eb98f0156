/** Lets other requests run: long work calls this between slices. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
