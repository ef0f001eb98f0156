import { isRecord, type UnknownRecord } from '../../base/json.ts';

/** JSON merge patch (RFC 7386) of one object with another: null removes a member, objects merge, all else replaces. */
export function mergePatch(target: UnknownRecord, patch: UnknownRecord): UnknownRecord {
  // Without a prototype, a member called `__proto__` is one like any other.
  const merged: UnknownRecord = Object.assign(Object.create(null), target);
  for (const [member, value] of Object.entries(patch)) {
    const before = merged[member];
    if (value === null) delete merged[member];
    else if (isRecord(value)) merged[member] = mergePatch(isRecord(before) ? before : {}, value);
    else merged[member] = value;
  }
  return merged;
}
