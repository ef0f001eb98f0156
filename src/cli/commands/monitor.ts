import { command } from '../command.ts';
import { attempt } from '../errors.ts';
import { stringOr } from '../flags.ts';

export const monitor = command({
  name: 'monitor',
  synopsis: 'Stream log messages from a server',
  usage: 'monitor [options]',
  description: `
Shows what the server logs, as it does, until Ctrl-C. The level may differ from that of the server's own log.

    $ coffer monitor -log-level=debug`,
  uses: ['http'],
  flags: {
    'log-level': stringOr('info', {
      usage: 'Least level to show.',
      values: ['trace', 'debug', 'info', 'warn', 'error'],
    }),
    'log-format': stringOr('standard', { usage: 'Form of the lines.', values: ['standard', 'json'] }),
  },
  arguments: { min: 0, max: 0 },
  async run({ client, flags, terminal }) {
    const connected = await client();
    const stop = new AbortController();
    const release = terminal.onInterrupt(() => stop.abort());
    const query = { log_level: flags['log-level'], log_format: flags['log-format'] };
    try {
      const show = (text: string) => terminal.output.write(text);
      await attempt('Error monitoring the server', connected.stream('sys/monitor', query, show, stop.signal));
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      release();
    }
    return 0;
  },
});
