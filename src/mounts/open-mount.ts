import { KeyedLock } from '../base/keyed-lock.ts';
import type { Engine, EnginePath, EngineType, MountInfo } from '../engine/engine.ts';
import { PathTable } from '../engine/router.ts';
import type { MountEntry } from './entry.ts';

/** One mount, ready to serve. Its engine is opened when something of it is first asked for. */
export interface OpenMount {
  readonly entry: MountEntry;
  readonly info: MountInfo;
  /** Undefined when opening it failed; `failure` says why and only this mount suffers. */
  readonly engine: Engine | undefined;
  readonly failure: Error | undefined;
  readonly table: PathTable;
  /** The engine, if it is open by now. */
  readonly inUse: Engine | undefined;
  /** `sys` or `token`: the host's own. */
  readonly host: boolean;
  /** There is one in each namespace, always and only here. */
  readonly singleton: boolean;
  /** Its periodic work is to be done though nobody uses the mount. */
  readonly wakes: boolean;
  readonly locks: KeyedLock;
}

interface Opened {
  readonly engine: Engine | undefined;
  readonly failure: Error | undefined;
  readonly table: PathTable;
}

/** Opens an engine once, however many `Mount`s of changing settings share it. */
export class Opening {
  readonly #open: () => Engine;
  readonly #failed: (failure: Error) => void;
  #opened: Opened | undefined;

  constructor(open: () => Engine, failed: (failure: Error) => void) {
    this.#open = open;
    this.#failed = failed;
  }

  get opened(): Opened {
    this.#opened ??= this.#try();
    return this.#opened;
  }

  get inUse(): Engine | undefined {
    return this.#opened?.engine;
  }

  #try(): Opened {
    try {
      const engine = this.#open();
      return { engine, failure: undefined, table: tableOf(engine.paths) };
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#failed(failure);
      return { engine: undefined, failure, table: tableOf(NO_PATHS) };
    }
  }
}

export class Mount implements OpenMount {
  readonly entry: MountEntry;
  readonly info: MountInfo;
  readonly host: boolean;
  readonly singleton: boolean;
  readonly wakes: boolean;
  readonly locks: KeyedLock;
  readonly opening: Opening;

  constructor(parts: {
    entry: MountEntry;
    info: MountInfo;
    type: EngineType | undefined;
    opening: Opening;
    locks?: KeyedLock;
  }) {
    this.entry = parts.entry;
    this.info = parts.info;
    this.host = parts.type?.host ?? false;
    this.singleton = parts.type?.singleton ?? false;
    this.wakes = parts.type?.wakes ?? false;
    this.opening = parts.opening;
    this.locks = parts.locks ?? new KeyedLock();
  }

  get engine(): Engine | undefined {
    return this.opening.opened.engine;
  }
  get failure(): Error | undefined {
    return this.opening.opened.failure;
  }
  get table(): PathTable {
    return this.opening.opened.table;
  }
  get inUse(): Engine | undefined {
    return this.opening.inUse;
  }
}

const NO_PATHS: readonly EnginePath[] = [];

/** Engines of a type that have the same paths share one table: the host's own mounts of thousands of namespaces do. */
const tables = new WeakMap<readonly EnginePath[], PathTable>();

function tableOf(paths: readonly EnginePath[]): PathTable {
  let table = tables.get(paths);
  if (!table) {
    table = new PathTable(paths);
    tables.set(paths, table);
  }
  return table;
}
