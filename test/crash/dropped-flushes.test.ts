import { it } from 'node:test';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { MemoryDisk, openMemoryCopy } from '../../src/store/memory.ts';
import { check, openWorld, type Told, work } from './workload.ts';

const seeds = Number(process.env.COFFER_CRASH_SEEDS ?? 60);
const firstSeed = Number(process.env.COFFER_SEED ?? systemRandom.below(2 ** 31));
const LIVES = 4;

it(`loses nothing acknowledged and shows no half batch when flushes are dropped (${seeds} seeds)`, async () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    try {
      await simulate(seed);
    } catch (error) {
      throw new Error(`COFFER_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
});

/** Several lives of a server on one disk, each of which ends by a failing flush or by a power cut. */
async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const disk = new MemoryDisk();
  const told: Told = new Map();
  for (let life = 0; life < LIVES; life++) {
    const machine = new Machine(random, 3 + random.below(12));
    const world = await openWorld(openMemoryCopy({ disk, flush: (write) => machine.flush(write) }), random);
    machine.faulty = true;
    const tell = (writer: number, n: number) => told.set(writer, Math.max(told.get(writer) ?? 0, n));
    await Promise.race([
      work(
        world,
        random,
        (...args) => machine.on && tell(...args),
        () => !machine.on,
      ),
      machine.off,
    ]);
    check(await openWorld(openMemoryCopy({ disk }), random), told);
  }
}

/** A machine whose disk fails for good after some flushes, in one of the ways disks do. */
class Machine {
  on = true;
  faulty = false;
  readonly off: Promise<void>;
  #cut!: () => void;
  readonly #random: Random;
  #flushesLeft: number;

  constructor(random: Random, flushes: number) {
    this.#random = random;
    this.#flushesLeft = flushes;
    this.off = new Promise((resolve) => {
      this.#cut = () => {
        this.on = false;
        resolve();
      };
    });
  }

  async flush(write: () => void): Promise<void> {
    for (let turns = this.#random.below(4); turns > 0; turns--)
      await new Promise((resolve) => setImmediate(resolve));
    if (!this.faulty || this.#flushesLeft-- > 0) return write();
    const reached = this.#random.below(2) === 0;
    if (reached) write();
    if (this.#random.below(2) === 0) throw new Error(reached ? 'written, but not told so' : 'not written');
    this.#cut();
    return new Promise(() => {});
  }
}
