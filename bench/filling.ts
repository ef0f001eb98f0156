import { systemClock } from '../src/base/clock.ts';
import { LogLevels, silentLogger } from '../src/base/logger.ts';
import { systemRandom } from '../src/base/random.ts';
import { loadConfig } from '../src/config/config.ts';
import { settingsOf } from '../src/serve/settings.ts';
import { openServer, type RunningServer } from '../src/server.ts';

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
