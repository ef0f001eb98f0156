import { type HeapProfiler, type Profiler, Session } from 'node:inspector/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { InvalidRequest } from '../base/errors.ts';

/** As Go's: a hundred samples a second. */
const CPU_INTERVAL_US = 10_000;
/** One allocation of so many bytes, on average, is looked at. */
const HEAP_INTERVAL_BYTES = 512 * 1024;
const ROOT = '(root)';

const compress = promisify(gzip);
let underWay = false;

/** One profile at a time: two would spoil each other. Waits for as long as it takes. */
async function alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
  if (underWay) throw new InvalidRequest('a profile is being taken already');
  underWay = true;
  const session = new Session();
  session.connect();
  try {
    return await work(session);
  } finally {
    session.disconnect();
    underWay = false;
  }
}

/** Where processor time goes while `wait` lasts; pprof's format, compressed. Names of functions and files, no values. */
export function cpuProfile(wait: () => Promise<void>, nowMs: number): Promise<Buffer> {
  return alone(async (session) => {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US });
    await session.post('Profiler.start');
    await wait();
    const { profile } = await session.post('Profiler.stop');
    return encode(cpuStacks(profile), {
      types: [
        ['samples', 'count'],
        ['cpu', 'nanoseconds'],
      ],
      period: ['cpu', 'nanoseconds', CPU_INTERVAL_US * 1000],
      nowMs,
      durationMs: (profile.endTime - profile.startTime) / 1000,
    });
  });
}

/** What was allocated while `wait` lasts: all of it, or what still lives. */
export function heapProfile(
  wait: () => Promise<void>,
  nowMs: number,
  { living }: { living: boolean },
): Promise<Buffer> {
  return alone(async (session) => {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: HEAP_INTERVAL_BYTES,
      includeObjectsCollectedByMajorGC: !living,
      includeObjectsCollectedByMinorGC: !living,
    });
    await wait();
    const { profile } = await session.post('HeapProfiler.stopSampling');
    return encode(heapStacks(profile.head), {
      types: [
        [living ? 'inuse_objects' : 'alloc_objects', 'count'],
        [living ? 'inuse_space' : 'alloc_space', 'bytes'],
      ],
      period: ['space', 'bytes', HEAP_INTERVAL_BYTES],
      nowMs,
      durationMs: 0,
    });
  });
}

/** A profile without samples, for what this runtime has none of. */
export function emptyProfile(kind: string, nowMs: number): Promise<Buffer> {
  return encode([], {
    types: [
      [kind, 'count'],
      ['delay', 'nanoseconds'],
    ],
    period: [kind, 'count', 1],
    nowMs,
    durationMs: 0,
  });
}

interface Frame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** Frames from the innermost outwards, with the values of the profile's types. */
interface Stack {
  readonly frames: readonly Frame[];
  readonly values: readonly number[];
}

interface About {
  readonly types: readonly (readonly [type: string, unit: string])[];
  readonly period: readonly [type: string, unit: string, value: number];
  readonly nowMs: number;
  readonly durationMs: number;
}

function frameOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): Frame {
  return { name: functionName || '(anonymous)', file: url, line: lineNumber + 1 };
}

function cpuStacks({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Stack[] {
  const parents = new Map(
    nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)),
  );
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const spent = new Map<number, { samples: number; microseconds: number }>();
  samples.forEach((id, at) => {
    const own = spent.get(id) ?? { samples: 0, microseconds: 0 };
    spent.set(id, own);
    own.samples++;
    own.microseconds += Math.max(0, timeDeltas[at] ?? 0);
  });
  return [...spent].flatMap(([id, own]) => {
    const frames: Frame[] = [];
    for (let node = byId.get(id); node; node = byId.get(parents.get(node.id) ?? -1))
      if (node.callFrame.functionName !== ROOT) frames.push(frameOf(node.callFrame));
    // Time in which nothing ran is nobody's.
    if (frames.length === 0 || frames[0]!.name === '(idle)') return [];
    return [{ frames, values: [own.samples, own.microseconds * 1000] }];
  });
}

function heapStacks(head: HeapProfiler.SamplingHeapProfileNode): Stack[] {
  const stacks: Stack[] = [];
  const waiting: { node: HeapProfiler.SamplingHeapProfileNode; outer: readonly Frame[] }[] = [
    { node: head, outer: [] },
  ];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, outer } = next;
    const frames = node.callFrame.functionName === ROOT ? outer : [frameOf(node.callFrame), ...outer];
    if (node.selfSize > 0 && frames.length > 0) stacks.push({ frames, values: [1, node.selfSize] });
    for (const child of node.children) waiting.push({ node: child, outer: frames });
  }
  return stacks;
}

async function encode(stacks: readonly Stack[], about: About): Promise<Buffer> {
  const pprof = await import('pprof-format');
  const stringTable = new pprof.StringTable();
  const text = (value: string) => stringTable.dedup(value);
  const valueType = ([type, unit]: readonly [string, string]) =>
    new pprof.ValueType({ type: text(type), unit: text(unit) });
  const functions: InstanceType<typeof pprof.Function>[] = [];
  const locations: InstanceType<typeof pprof.Location>[] = [];
  const places = new Map<string, number>();
  const locate = ({ name, file, line }: Frame): number => {
    const key = `${name}\0${file}\0${line}`;
    let id = places.get(key);
    if (id === undefined) {
      id = places.size + 1;
      places.set(key, id);
      functions.push(
        new pprof.Function({
          id,
          name: text(name),
          systemName: text(name),
          filename: text(file),
          startLine: line,
        }),
      );
      locations.push(new pprof.Location({ id, line: [new pprof.Line({ functionId: id, line })] }));
    }
    return id;
  };
  const sample = stacks.map(
    ({ frames, values }) => new pprof.Sample({ locationId: frames.map(locate), value: [...values] }),
  );
  const [periodType, periodUnit, period] = about.period;
  const profile = new pprof.Profile({
    sampleType: about.types.map(valueType),
    sample,
    location: locations,
    function: functions,
    stringTable,
    timeNanos: BigInt(about.nowMs) * 1_000_000n,
    durationNanos: Math.round(about.durationMs * 1e6),
    periodType: valueType([periodType, periodUnit]),
    period,
  });
  return compress(profile.encode());
}
