import type { AuditDeviceType } from './device.ts';
import { fileDevice } from './devices/file.ts';
import { httpDevice } from './devices/http.ts';
import { socketDevice } from './devices/socket.ts';
import { syslogDevice } from './devices/syslog.ts';

/** Every kind of audit device; a new one is a file in `devices/` and a line here. */
export const auditDeviceTypes: ReadonlyMap<string, AuditDeviceType> = new Map(
  [fileDevice, httpDevice, socketDevice, syslogDevice].map((type) => [type.type, type]),
);
