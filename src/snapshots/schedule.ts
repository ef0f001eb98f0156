import { isAbsolute } from 'node:path';
import type { Session } from '../barrier/session.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Page } from '../store/store.ts';

/** When snapshots are taken by themselves, where they go, and how many are kept. Names are the API's; stored encrypted. */
export interface Schedule {
  readonly storage_type: string;
  /** Seconds. */
  readonly interval: number;
  readonly retain: number;
  readonly path_prefix: string;
  readonly file_prefix: string;
  /** Bytes of all snapshots of this schedule; 0: no limit. */
  readonly local_max_space: number;
  readonly aws_s3_bucket: string;
  readonly aws_s3_region: string;
  readonly aws_access_key_id: string;
  readonly aws_secret_access_key: string;
  readonly aws_session_token: string;
  readonly aws_s3_endpoint: string;
  readonly aws_s3_disable_tls: boolean;
  readonly aws_s3_force_path_style: boolean;
  readonly aws_s3_enable_kms: boolean;
  readonly aws_s3_server_side_encryption: boolean;
  readonly aws_s3_kms_key: string;
}

export const SCHEDULE_DEFAULTS: Schedule = {
  storage_type: '',
  interval: 0,
  retain: 1,
  path_prefix: '',
  file_prefix: 'vault-snapshot',
  local_max_space: 0,
  aws_s3_bucket: '',
  aws_s3_region: '',
  aws_access_key_id: '',
  aws_secret_access_key: '',
  aws_session_token: '',
  aws_s3_endpoint: '',
  aws_s3_disable_tls: false,
  aws_s3_force_path_style: false,
  aws_s3_enable_kms: false,
  aws_s3_server_side_encryption: false,
  aws_s3_kms_key: '',
};

/** Never shown again. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'aws_access_key_id',
  'aws_secret_access_key',
  'aws_session_token',
]);

/** How it went the last time, kept over restarts. */
export interface ScheduleStatus {
  /** Of the run that is under way, or was when the server stopped. */
  readonly startedAtMs?: number | undefined;
  readonly url?: string | undefined;
  readonly lastStartedAtMs?: number | undefined;
  readonly lastEndedAtMs?: number | undefined;
  readonly lastUrl?: string | undefined;
  /** Of the last run; '' when it went well. */
  readonly lastError: string;
  /** Runs that failed since the last that went well. */
  readonly failures: number;
}

export const NEVER_RUN: ScheduleStatus = { lastError: '', failures: 0 };

const CONFIG = 'core/snapshot-auto/config/';
const STATUS = 'core/snapshot-auto/status/';
const FILE_PREFIX = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export function scheduleNames(session: Session, page?: Page): string[] {
  return session.view(CONFIG).list('', page);
}

export function getSchedule(session: Session, name: string): Schedule | undefined {
  return session.view(CONFIG).get<Schedule>(name);
}

/** Throws `InvalidRequest` for one that could never work. */
export function putSchedule(session: Session, name: string, schedule: Schedule): void {
  if (schedule.interval < 1) throw new InvalidRequest('interval must be given, and at least one second');
  if (schedule.retain < 1) throw new InvalidRequest('retain must be at least 1');
  if (!FILE_PREFIX.test(schedule.file_prefix))
    throw new InvalidRequest('file_prefix must be letters, digits, dots, dashes and underscores');
  const check = CHECKS.get(schedule.storage_type);
  if (!check) {
    throw new InvalidRequest(
      `storage_type must be one of ${[...CHECKS.keys()].join(', ')}, not ${JSON.stringify(schedule.storage_type)}`,
    );
  }
  check(schedule);
  session.view(CONFIG).put(name, schedule);
}

export function deleteSchedule(session: Session, name: string): void {
  session.view(CONFIG).delete(name);
  session.view(STATUS).delete(name);
}

export function getStatus(session: Session, name: string): ScheduleStatus {
  return session.view(STATUS).get<ScheduleStatus>(name) ?? NEVER_RUN;
}

export function putStatus(session: Session, name: string, status: ScheduleStatus): void {
  session.view(STATUS).put(name, status);
}

/** As it is read back: what belongs to its kind of storage, without credentials. */
export function shownSchedule(schedule: Schedule): Record<string, unknown> {
  const others = schedule.storage_type === 'local' ? 'aws_' : 'local_';
  return Object.fromEntries(
    Object.entries(schedule).filter(([name]) => !name.startsWith(others) && !CREDENTIALS.has(name)),
  );
}

const CHECKS: ReadonlyMap<string, (schedule: Schedule) => void> = new Map([
  ['local', checkLocal],
  ['aws-s3', checkS3],
]);

function checkLocal({ path_prefix, local_max_space }: Schedule): void {
  if (!isAbsolute(path_prefix) || path_prefix.includes('\0') || path_prefix.split('/').includes('..'))
    throw new InvalidRequest('path_prefix must be the absolute path of a folder');
  if (local_max_space < 0) throw new InvalidRequest('local_max_space cannot be negative');
}

function checkS3(schedule: Schedule): void {
  if (schedule.aws_s3_bucket === '' || schedule.aws_s3_region === '')
    throw new InvalidRequest('aws_s3_bucket and aws_s3_region must be given');
  if (Boolean(schedule.aws_access_key_id) !== Boolean(schedule.aws_secret_access_key))
    throw new InvalidRequest('aws_access_key_id and aws_secret_access_key go together');
  if (schedule.aws_s3_enable_kms && schedule.aws_s3_server_side_encryption)
    throw new InvalidRequest('aws_s3_enable_kms and aws_s3_server_side_encryption exclude one another');
  if (schedule.aws_s3_kms_key !== '' && !schedule.aws_s3_enable_kms)
    throw new InvalidRequest('aws_s3_kms_key needs aws_s3_enable_kms');
}
