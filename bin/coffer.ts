#!/usr/bin/env node
import { main } from '../src/cli/main.ts';
import { systemTerminal } from '../src/cli/system-terminal.ts';

process.exitCode = await main(process.argv.slice(2), {
  terminal: systemTerminal(),
  startServer: async (argv, terminal) => (await import('../src/serve/serve.ts')).serve(argv, terminal),
});
