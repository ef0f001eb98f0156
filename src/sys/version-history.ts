import type { Session } from '../barrier/session.ts';
import { rfc3339 } from '../base/clock.ts';
import { unlessCorrupt } from '../base/errors.ts';
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
export function recordVersion(
  session: Session,
  running: Pick<ServerFacts, 'version' | 'buildDate' | 'startedAtMs'>,
): void {
  const known = installedVersions(session);
  if (known.some(({ version }) => version === running.version)) return;
  const { version, buildDate, startedAtMs } = running;
  session.view(RECORD.under).put(RECORD.key, [...known, { version, buildDate, installedAtMs: startedAtMs }]);
}

/** The versions that have run on this store, oldest first. */
export function versionHistory(session: Session) {
  const known = installedVersions(session);
  const info = known.map(({ version, buildDate, installedAtMs }, index) => {
    const previous = known[index - 1]?.version ?? null;
    return [
      version,
      { build_date: buildDate, previous_version: previous, timestamp_installed: rfc3339(installedAtMs) },
    ] as const;
  });
  return { keys: known.map(({ version }) => version), key_info: Object.fromEntries(info) };
}

export function versionHistoryPath(): EnginePath {
  return systemPath({
    pattern: 'version-history',
    summary: 'Shows which versions have run on this store, oldest first.',
    sudo: true,
    fields: {},
    operations: { list: { handler: ({ session }) => ({ data: versionHistory(session) }) } },
  });
}

function installedVersions(session: Session): readonly InstalledVersion[] {
  const view = session.view(RECORD.under);
  return unlessCorrupt(() => view.get<InstalledVersion[]>(RECORD.key), undefined) ?? [];
}
