import type { View } from '../../barrier/view.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { goDuration } from '../../engine/duration.ts';
import { readVersion, type SecretRecord, type VersionRecord, versionNumbers } from './records.ts';

/** Records as the API shows them. */

/** The `metadata` beside a version's data. */
export function shownVersion(secret: SecretRecord, version: number, record: VersionRecord): UnknownRecord {
  return {
    created_time: rfc3339(record.createdAtMs),
    custom_metadata: secret.customMetadata,
    deletion_time: shownDeletion(record),
    destroyed: record.destroyed,
    version,
  };
}

/** What `metadata/` tells of a secret. */
export function shownSecret(view: View, path: string, secret: SecretRecord): UnknownRecord {
  const versions: UnknownRecord = {};
  for (const version of versionNumbers(secret)) {
    const record = readVersion(view, path, version);
    if (!record) continue;
    versions[version] = {
      created_time: rfc3339(record.createdAtMs),
      deletion_time: shownDeletion(record),
      destroyed: record.destroyed,
    };
  }
  return {
    cas_required: secret.casRequired,
    created_time: rfc3339(secret.createdAtMs),
    current_metadata_version: secret.metadataVersion,
    current_version: secret.currentVersion,
    custom_metadata: secret.customMetadata,
    delete_version_after: goDuration(secret.deleteVersionAfterSeconds),
    max_versions: secret.maxVersions,
    metadata_cas_required: secret.metadataCasRequired,
    oldest_version: secret.oldestVersion,
    updated_time: rfc3339(secret.updatedAtMs),
    versions,
  };
}

/** Deleted, expired or destroyed: its data is not given out. */
export function isGone(record: VersionRecord, nowMs: number): boolean {
  return record.destroyed || (record.deletionAtMs !== null && record.deletionAtMs <= nowMs);
}

function shownDeletion(record: VersionRecord): string {
  return record.deletionAtMs === null ? '' : rfc3339(record.deletionAtMs);
}
