export function isPromise<T>(value: T | Promise<T> | undefined | null): value is Promise<T> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
