/** Where scheduled snapshots go: a folder, a bucket. Each knows only the files of its own schedule. */
export interface SnapshotPlace {
  /** Where a file of this name is, for people. */
  url(name: string): string;
  /** Keeps the whole body under `name`, or rejects and keeps nothing. A name is used once. */
  write(name: string, body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void>;
  /** The names of the snapshots that are there, in any order. */
  names(): Promise<string[]>;
  remove(name: string): Promise<void>;
  /** Removes what earlier writes left that were cut short. */
  tidy(): Promise<void>;
  close?(): void;
}

/** Names sort by time: nanoseconds since the epoch, as Vault's do. */
export function snapshotName(filePrefix: string, nowMs: number): string {
  return `${filePrefix}-${BigInt(Math.floor(nowMs)) * 1_000_000n}.snap`;
}

/** Undefined for what is not a snapshot of this prefix. */
export function snapshotTime(filePrefix: string, name: string): bigint | undefined {
  if (!name.startsWith(`${filePrefix}-`)) return undefined;
  const digits = /^(\d{1,20})\.snap$/.exec(name.slice(filePrefix.length + 1));
  return digits ? BigInt(digits[1]!) : undefined;
}
