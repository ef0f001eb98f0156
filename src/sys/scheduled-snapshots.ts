import { rfc3339 } from '../base/clock.ts';
import { NotFound } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, duration, integer, name, text } from '../engine/fields.ts';
import { pageFields, pageOf } from '../engine/paging.ts';
import { listReply } from '../engine/reply.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import {
  deleteSchedule,
  getSchedule,
  getStatus,
  putSchedule,
  SCHEDULE_DEFAULTS,
  type Schedule,
  scheduleNames,
  shownSchedule,
} from '../snapshots/schedule.ts';

const scheduleName = name('The schedule.');

/** What is left out stays as it was. */
const scheduleFields = {
  interval: duration({ description: 'Time between two snapshots.' }),
  retain: integer({ description: 'How many are kept.' }),
  path_prefix: text({ description: 'The folder, or the beginning of keys in the bucket.' }),
  file_prefix: text({ description: 'How names of files begin. Two schedules of one place need two.' }),
  storage_type: text({ description: 'local or aws-s3.' }),
  local_max_space: integer({ description: 'Bytes that all of them may take; 0: no limit.' }),
  aws_s3_bucket: text({ description: 'The bucket.' }),
  aws_s3_region: text({ description: 'Its region.' }),
  aws_access_key_id: text({
    description: 'Credentials; without them AWS’s usual places are searched.',
    secret: true,
  }),
  aws_secret_access_key: text({ description: 'Credentials.', secret: true }),
  aws_session_token: text({ description: 'Credentials.', secret: true }),
  aws_s3_endpoint: text({ description: 'Another service than AWS’s own.' }),
  aws_s3_disable_tls: boolean({ description: 'That service is reached without TLS.' }),
  aws_s3_force_path_style: boolean({ description: 'The bucket is in the path, not in the host name.' }),
  aws_s3_enable_kms: boolean({ description: 'Encrypt at rest with a key of KMS.' }),
  aws_s3_server_side_encryption: boolean({ description: 'Encrypt at rest with a key of S3.' }),
  aws_s3_kms_key: text({ description: 'That key of KMS.' }),
};

/** `sys/storage/raft/snapshot-auto/*`: snapshots by themselves. */
export function scheduledSnapshotPaths(): EnginePath[] {
  return [
    systemPath({
      pattern: 'storage/raft/snapshot-auto/config',
      summary: 'Lists the schedules of snapshots.',
      sudo: true,
      fields: pageFields,
      operations: {
        list: { handler: (context, input) => listReply(scheduleNames(context.session, pageOf(input))) },
      },
    }),
    systemPath({
      pattern: 'storage/raft/snapshot-auto/config/{name}',
      summary: 'When snapshots are taken by themselves, and where they go.',
      description:
        'A schedule runs for the first time when it is written. Credentials are never shown again.',
      sudo: true,
      fields: { name: scheduleName, ...scheduleFields },
      operations: {
        read: { handler: (context, input) => ({ data: shownSchedule(existing(context, input.name)) }) },
        write: {
          handler(context, { name: wanted, ...given }) {
            const before = getSchedule(context.session, wanted) ?? SCHEDULE_DEFAULTS;
            const changes = Object.fromEntries(
              Object.entries(given).filter(([, value]) => value !== undefined),
            );
            putSchedule(context.session, wanted, { ...before, ...changes });
            return undefined;
          },
        },
        delete: {
          handler(context, input) {
            deleteSchedule(context.session, input.name);
            return undefined;
          },
        },
      },
    }),
    systemPath({
      pattern: 'storage/raft/snapshot-auto/status/{name}',
      summary: 'How a schedule went the last time.',
      fields: { name: scheduleName },
      operations: { read: { handler: (context, input) => ({ data: shownStatus(context, input.name) }) } },
    }),
  ];
}

function existing({ session }: SystemContext, wanted: string): Schedule {
  const schedule = getSchedule(session, wanted);
  if (!schedule) throw new NotFound();
  return schedule;
}

function shownStatus(context: SystemContext, wanted: string) {
  existing(context, wanted);
  const status = getStatus(context.session, wanted);
  const time = (ms: number | undefined) => (ms === undefined ? '' : rfc3339(ms));
  return {
    snapshot_start: time(status.startedAtMs ?? status.lastStartedAtMs),
    snapshot_url: status.url ?? status.lastUrl ?? '',
    last_snapshot_start: time(status.lastStartedAtMs),
    last_snapshot_end: time(status.lastEndedAtMs),
    last_snapshot_url: status.lastUrl ?? '',
    last_snapshot_error: status.lastError,
    consecutive_errors: status.failures,
  };
}
