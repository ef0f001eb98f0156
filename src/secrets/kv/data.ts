import { InvalidRequest, NotFound } from '../../base/errors.ts';
import { isRecord, type UnknownRecord } from '../../base/json.ts';
import { path, type RequestContext, type WorkContext } from '../../engine/engine.ts';
import { integer, map, restOfPath } from '../../engine/fields.ts';
import type { Reply } from '../../engine/reply.ts';
import { mergePatch } from './merge-patch.ts';
import {
  type ConfigRecord,
  deleteVersion,
  newSecret,
  type RecoveredSecret,
  readConfig,
  readSecret,
  readVersion,
  type SecretRecord,
  secretPath,
  type VersionRecord,
  writeSecret,
  writeVersion,
} from './records.ts';
import { isGone, shownVersion } from './shown.ts';

const VERSIONS_KEPT = 10;
const DATA = 'data/';

export const dataPath = path({
  pattern: 'data/{path...}',
  summary: 'Writes, reads, patches and deletes the newest version of a secret.',
  description:
    'A write makes a new version. A read gives the newest version or the one asked for. A deletion hides the newest version; undelete/ brings it back.',
  fields: {
    path: restOfPath('Where the secret lies.'),
    data: map({ description: 'The contents: any JSON object.' }),
    options: map({
      description: 'cas: the version that this write replaces; 0 to write only what does not exist.',
    }),
    version: integer({ description: 'The version to read; the newest if 0 or not given.', query: true }),
  },
  exists: ({ view }, input) => readSecret(view, input.path) !== undefined,
  operations: {
    read: { handler: (context, input) => readData(context, secretPath(input.path), input.version) },
    write: {
      handler(context, input) {
        if (!input.data) throw new InvalidRequest('no data provided');
        return addVersion(context, secretPath(input.path), input.data, casOf(input.options));
      },
    },
    patch: {
      handler: (context, input) =>
        patchData(context, secretPath(input.path), input.data, casOf(input.options)),
    },
    delete: {
      summary: 'Hides the newest version.',
      handler({ view, clock }, input) {
        const where = secretPath(input.path);
        const current = readSecret(view, where)?.currentVersion ?? 0;
        const record = readVersion(view, where, current);
        if (record && !isGone(record, clock.now())) {
          writeVersion(view, where, current, { ...record, deletionAtMs: clock.now() });
        }
        return undefined;
      },
    },
  },
});

export interface FoundVersion {
  readonly secret: SecretRecord;
  readonly version: number;
  readonly record: VersionRecord;
}

/** The version asked for, the newest for 0. Throws `NotFound`. */
export function findVersion(
  { view }: Pick<RequestContext, 'view'>,
  where: string,
  version = 0,
): FoundVersion {
  const secret = readSecret(view, where);
  const asked = version === 0 ? (secret?.currentVersion ?? 0) : version;
  const record = asked > 0 ? readVersion(view, where, asked) : undefined;
  if (!secret || !record) throw new NotFound();
  return { secret, version: asked, record };
}

function readData(context: RequestContext, where: string, version: number | undefined): Reply {
  const found = findVersion(context, where, version);
  const metadata = shownVersion(found.secret, found.version, found.record);
  if (isGone(found.record, context.clock.now())) return { status: 404, data: { data: null, metadata } };
  return { data: { data: found.record.data, metadata } };
}

function patchData(
  context: RequestContext,
  where: string,
  patch: UnknownRecord | undefined,
  cas: number | undefined,
): Reply {
  if (!patch) throw new InvalidRequest('no data provided');
  const { secret, version, record } = findVersion(context, where);
  if (isGone(record, context.clock.now())) {
    return { status: 404, data: { data: null, metadata: shownVersion(secret, version, record) } };
  }
  return addVersion(context, where, mergePatch(record.data ?? {}, patch), cas);
}

function addVersion(
  { view, clock }: Pick<WorkContext, 'view' | 'clock'>,
  where: string,
  data: UnknownRecord,
  cas: number | undefined,
): Reply {
  const config = readConfig(view);
  const nowMs = clock.now();
  const before = readSecret(view, where) ?? newSecret(nowMs);
  checkCas(config, before, cas);
  const version = before.currentVersion + 1;
  const record: VersionRecord = {
    createdAtMs: nowMs,
    deletionAtMs: deletionAtMs(config, before, nowMs),
    destroyed: false,
    data,
  };
  const secret: SecretRecord = {
    ...before,
    currentVersion: version,
    updatedAtMs: nowMs,
    oldestVersion: Math.max(before.oldestVersion, oldestKept(config, before, version)),
  };
  for (let old = Math.max(before.oldestVersion, 1); old < secret.oldestVersion; old++) {
    deleteVersion(view, where, old);
  }
  writeVersion(view, where, version, record);
  writeSecret(view, where, secret);
  return { data: shownVersion(secret, version, record) };
}

/** As one more version, so that what is there now stays to be read. */
export function recoverVersioned(
  context: WorkContext,
  { from, path: source, as }: RecoveredSecret,
): UnknownRecord | undefined {
  const { view, clock } = context;
  const [where, target] = [source, as].map((each) => {
    if (!each.startsWith(DATA)) throw new InvalidRequest(`a secret of version 2 is at ${DATA}`);
    return secretPath(each.slice(DATA.length));
  });
  const found = findVersion({ view: from }, where!);
  if (isGone(found.record, clock.now()) || !found.record.data) throw new NotFound();
  const cas = readSecret(view, target!)?.currentVersion ?? 0;
  return addVersion(context, target!, found.record.data, cas).data;
}

function checkCas(config: ConfigRecord, secret: SecretRecord, cas: number | undefined): void {
  if (cas === undefined) {
    if (!config.casRequired && !secret.casRequired) return;
    throw new InvalidRequest('check-and-set parameter required for this call');
  }
  if (cas !== secret.currentVersion) {
    throw new InvalidRequest('check-and-set parameter did not match the current version');
  }
}

/** 0 while nothing has to go. */
function oldestKept(config: ConfigRecord, secret: SecretRecord, current: number): number {
  const kept = secret.maxVersions || config.maxVersions || VERSIONS_KEPT;
  return current > kept ? current - kept + 1 : 0;
}

/** The shorter of the mount's and the secret's own time counts. */
function deletionAtMs(config: ConfigRecord, secret: SecretRecord, nowMs: number): number | null {
  if (config.deleteVersionAfterSeconds < 0) return null;
  const times = [config.deleteVersionAfterSeconds, secret.deleteVersionAfterSeconds].filter((s) => s > 0);
  return times.length > 0 ? nowMs + Math.min(...times) * 1000 : null;
}

const casField = integer({ description: 'The version that a write replaces.' });

function casOf(options: UnknownRecord | undefined): number | undefined {
  const cas = isRecord(options) && Object.hasOwn(options, 'cas') ? options.cas : undefined;
  if (cas === undefined || cas === null) return undefined;
  try {
    return casField.parse(cas);
  } catch {
    throw new InvalidRequest('error parsing check-and-set parameter');
  }
}
