import type { Session } from '../barrier/session.ts';
import { rfc3339 } from '../base/clock.ts';
import type { EnginePath } from '../engine/engine.ts';
import { systemPath } from '../mounts/system-context.ts';
import type { ServerFacts } from './parts.ts';

interface InstalledVersion {
  readonly version: string;
  readonly buildDate: string;
  readonly installedAtMs: number;
}

const RECORD = { under: 'core/', key: 'version-history' } as const;

/** Notes the version that runs, if it never ran on this store before; at unseal. */
export function recordVersion(session: Session, { version, buildDate, startedAtMs }: ServerFacts): void {
  const known = history(session);
  if (known.some((each) => each.version === version)) return;
  session.view(RECORD.under).put(RECORD.key, [...known, { version, buildDate, installedAtMs: startedAtMs }]);
}

export function versionHistoryPath(): EnginePath {
  return systemPath({
    pattern: 'version-history',
    summary: 'Shows which versions have run on this store, oldest first.',
    sudo: true,
    fields: {},
    operations: {
      list: {
        handler(context) {
          const known = history(context.session);
          const info = known.map(({ version, buildDate, installedAtMs }, index) => [
            version,
            {
              build_date: buildDate,
              previous_version: known[index - 1]?.version ?? null,
              timestamp_installed: rfc3339(installedAtMs),
            },
          ]);
          return { data: { keys: known.map(({ version }) => version), key_info: Object.fromEntries(info) } };
        },
      },
    },
  });
}

function history(session: Session): readonly InstalledVersion[] {
  return session.view(RECORD.under).get<InstalledVersion[]>(RECORD.key) ?? [];
}
