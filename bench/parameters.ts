/** What a run can be told through the environment, and what every benchmark is handed. */
export interface Parameters {
  /** How long each row of requests is measured. */
  readonly seconds: number;
  readonly connections: number;
  /** A part of the names of the rows to measure; all by default. */
  readonly only: string;
  /** Records of the long list, and small ones of the snapshot. */
  readonly keys: number;
  readonly leases: number;
  readonly entities: number;
  readonly snapshotMebibytes: number;
  readonly namespaces: number;
  /** How often each command is started. */
  readonly starts: number;
  /** How to run `coffer` as it is shipped. */
  readonly program: readonly [command: string, ...args: string[]];
}

export function readParameters(
  environment: Readonly<Record<string, string | undefined>>,
  program: Parameters['program'],
): Parameters {
  const number = (name: string, usual: number): number => {
    const value = Number(environment[name] || usual);
    if (!(value > 0)) throw new Error(`${name} must be a number above 0, not ${environment[name]}`);
    return value;
  };
  return {
    seconds: number('BENCH_SECONDS', 3),
    connections: number('BENCH_CONNECTIONS', 64),
    only: environment.BENCH_ONLY ?? '',
    keys: number('BENCH_KEYS', 10_000),
    leases: number('BENCH_LEASES', 1_000_000),
    entities: number('BENCH_ENTITIES', 1_000_000),
    snapshotMebibytes: number('BENCH_SNAPSHOT_MIB', 512),
    namespaces: number('BENCH_NAMESPACES', 10_000),
    starts: number('BENCH_STARTS', 20),
    program,
  };
}
