import type { Finding } from './source.ts';

/** What a rule has to put up with, and why. One that no longer matches anything is itself a finding. */
export interface Exception {
  readonly rule: string;
  readonly path: string;
  /** A part of the finding's message. */
  readonly about: string;
  readonly reason: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    rule: 'banned',
    path: 'src/base/clock.ts',
    about: 'Date.now',
    reason: 'the one place that reads the wall clock',
  },
  {
    rule: 'banned',
    path: 'src/base/clock.ts',
    about: 'performance.now',
    reason: 'the one place that reads the monotonic clock',
  },
  {
    rule: 'banned',
    path: 'src/base/clock.ts',
    about: 'setTimeout',
    reason: 'the one place that sets timers',
  },
  {
    rule: 'banned',
    path: 'src/base/random.ts',
    about: 'random',
    reason: 'the one place that draws from the kernel',
  },
  {
    rule: 'banned',
    path: 'src/cli/commands/unwrap.ts',
    about: 'token === client.token',
    reason: 'both belong to the person at the command line; nobody else can measure it',
  },
];

/** The findings that no exception covers, and a finding for each exception that covers none. */
export function withoutExceptions(findings: readonly Finding[], exceptions: readonly Exception[]): Finding[] {
  const remaining = findings.filter((finding) => !exceptions.some((exception) => covers(exception, finding)));
  const idle = exceptions.filter((exception) => !findings.some((finding) => covers(exception, finding)));
  return [
    ...remaining,
    ...idle.map(({ path, rule, about }) => ({
      path: 'tools/tidy/exceptions.ts',
      rule: 'exceptions',
      message: `the exception for ${path} (${rule}: ${about}) is not needed any more`,
    })),
  ];
}

function covers({ rule, path, about }: Exception, finding: Finding): boolean {
  return finding.rule === rule && finding.path === path && finding.message.includes(about);
}
