import { InvalidRequest } from '../../base/errors.ts';
import type { Schedule } from '../schedule.ts';
import { openFolder } from './folder.ts';
import type { SnapshotPlace } from './place.ts';
import { openS3 } from './s3.ts';

const PLACES: ReadonlyMap<string, (schedule: Schedule) => SnapshotPlace | Promise<SnapshotPlace>> = new Map<
  string,
  (schedule: Schedule) => SnapshotPlace | Promise<SnapshotPlace>
>([
  ['local', openFolder],
  ['aws-s3', openS3],
]);

export async function openPlace(schedule: Schedule): Promise<SnapshotPlace> {
  const open = PLACES.get(schedule.storage_type);
  if (!open) throw new InvalidRequest(`storage_type ${JSON.stringify(schedule.storage_type)} is not known`);
  return open(schedule);
}
