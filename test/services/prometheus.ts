/** A real Prometheus server that scrapes a node under test, and promtool, which reads what it would read. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './folder.ts';
import { call } from './http.ts';
import { prometheusFolder } from './install.ts';
import { freePort } from './ports.ts';
import { runProcess, startProcess, waitUntil } from './process.ts';

export interface Prometheus {
  /** The value of each series of the instant query's result, by its labels as JSON. */
  query(expression: string): Promise<Map<string, number>>;
  /** Whether and why the last scrape of each target failed. */
  targets(): Promise<{ job: string; health: string; lastError: string }[]>;
  /** What is wrong with each rule, or '' where it works. */
  ruleErrors(): Promise<Map<string, string>>;
  stop(): Promise<void>;
}

export interface ScrapedNode {
  readonly job: string;
  /** `host:port`. */
  readonly target: string;
  readonly token?: string;
}

const program = (name: string) => join(prometheusFolder, 'usr/bin', name);

/** Why there is no Prometheus, or undefined when there is. */
export function available(): string | undefined {
  return existsSync(program('prometheus'))
    ? undefined
    : 'Prometheus is not there (npm test unpacks it where there is apt-get)';
}

/** promtool's opinion: '' when it has nothing to say. */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runProcess({ command: program('promtool'), args }, input);
  return code === 0 ? '' : stdout + stderr;
}

/** Scrapes every second. */
export async function start(
  nodes: readonly ScrapedNode[],
  ruleFiles: readonly string[] = [],
): Promise<Prometheus> {
  const folder = await temporaryFolder('prometheus');
  const port = await freePort();
  const config = join(folder.path, 'prometheus.json');
  await writeFile(config, JSON.stringify(configuration(nodes, ruleFiles)));
  const server = startProcess({
    command: program('prometheus'),
    args: [
      `--config.file=${config}`,
      `--web.listen-address=127.0.0.1:${port}`,
      `--storage.tsdb.path=${join(folder.path, 'data')}`,
    ],
    cwd: folder.path,
  });
  const stop = async () => {
    await server.stop();
    await folder.remove();
  };
  const get = async (path: string) =>
    (await call(`http://127.0.0.1:${port}`, { method: 'GET', path })).json().data;
  try {
    const ready = async () =>
      (await call(`http://127.0.0.1:${port}`, { method: 'GET', path: '/-/ready' })).status === 200;
    await waitUntil(() => ready().catch(() => false), { what: 'Prometheus' });
  } catch (error) {
    await stop();
    throw new Error(`Prometheus did not start:\n${server.output()}`, { cause: error });
  }
  return {
    async query(expression) {
      const { result } = await get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return new Map(
        (result as { metric: Record<string, string>; value: [number, string] }[]).map(({ metric, value }) => [
          JSON.stringify(metric),
          Number(value[1]),
        ]),
      );
    },
    async targets() {
      const { activeTargets } = await get('/api/v1/targets');
      return (activeTargets as { labels: { job: string }; health: string; lastError: string }[]).map(
        ({ labels, health, lastError }) => ({ job: labels.job, health, lastError }),
      );
    },
    async ruleErrors() {
      const { groups } = await get('/api/v1/rules');
      const rules = (groups as { rules: { name: string; lastError?: string }[] }[]).flatMap(
        (each) => each.rules,
      );
      return new Map(rules.map(({ name, lastError = '' }) => [name, lastError]));
    },
    stop,
  };
}

/** YAML is a superset of JSON. */
function configuration(nodes: readonly ScrapedNode[], ruleFiles: readonly string[]): unknown {
  return {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ruleFiles,
    scrape_configs: nodes.map(({ job, target, token }) => ({
      job_name: job,
      metrics_path: '/v1/sys/metrics',
      params: { format: ['prometheus'] },
      ...(token && { authorization: { credentials: token } }),
      static_configs: [{ targets: [target] }],
    })),
  };
}
