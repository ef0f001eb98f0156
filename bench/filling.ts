import type { Session } from '../src/barrier/session.ts';
import { systemClock } from '../src/base/clock.ts';
import { LogLevels, silentLogger } from '../src/base/logger.ts';
import { systemRandom } from '../src/base/random.ts';
import { loadConfig } from '../src/config/config.ts';
import type { Domains } from '../src/pipeline/exchange.ts';
import { settingsOf } from '../src/serve/settings.ts';
import { openServer, type RunningServer } from '../src/server.ts';

const BATCH = 10_000;
const PROGRESS_STEPS = 10;

/** The server of a configuration, unsealed and without its listeners, for a program that fills its store. */
export async function openFilled(configFile: string): Promise<RunningServer> {
  const { config } = loadConfig({ paths: [configFile], environment: {} });
  const settings = await settingsOf({ ...config, listeners: [] }, { environment: {}, log: silentLogger });
  const server = await openServer(settings, {
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    logLevels: new LogLevels('error'),
    monitorLog: () => () => {},
    reloadProcess: async () => {},
  });
  await server.lifecycle.unsealAutomatically();
  return server;
}

/** Makes `count` of something, in batches; `make` makes the nth. Prints its progress. */
export async function fillStore(
  configFile: string,
  { what, count }: { what: string; count: number },
  make: (domains: Domains, session: Session, n: number) => void,
): Promise<void> {
  const server = await openFilled(configFile);
  try {
    await fill(server.domains()!, { what, count }, make);
  } finally {
    await server.stop();
  }
}

async function fill(
  domains: Domains,
  { what, count }: { what: string; count: number },
  make: (domains: Domains, session: Session, n: number) => void,
): Promise<void> {
  let made = 0;
  let committed: Promise<void> | undefined;
  while (made < count) {
    const session = domains.openSession();
    const end = Math.min(made + BATCH, count);
    const step = Math.ceil((made / count) * PROGRESS_STEPS);
    for (; made < end; made++) make(domains, session, made);
    session.apply();
    await committed;
    committed = session.settled();
    if (Math.ceil((made / count) * PROGRESS_STEPS) > step) console.error(`  ${made} of ${count} ${what}`);
  }
  await committed;
}
