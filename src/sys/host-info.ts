import { statfsSync } from 'node:fs';
import { arch, cpus, freemem, hostname, loadavg, platform, release, totalmem, uptime } from 'node:os';
import { rfc3339 } from '../base/clock.ts';
import type { UnknownRecord } from '../base/json.ts';

/** The machine as `sys/host-info` shows it. Sizes in bytes. */
export function hostFacts(nowMs: number): UnknownRecord {
  const [load1, load5, load15] = loadavg();
  const total = totalmem();
  const available = freemem();
  const disk = statfsSync('.');
  return {
    timestamp: rfc3339(nowMs),
    host: {
      hostname: hostname(),
      uptime: Math.floor(uptime()),
      bootTime: Math.floor(nowMs / 1000 - uptime()),
      os: platform(),
      platform: platform(),
      kernelVersion: release(),
      kernelArch: arch(),
    },
    cpu: cpus().map(({ model, speed }, index) => ({ cpu: index, modelName: model, mhz: speed })),
    cpu_times: cpus().map(({ times }, index) => ({
      cpu: `cpu${index}`,
      user: times.user / 1000,
      system: times.sys / 1000,
      idle: times.idle / 1000,
      nice: times.nice / 1000,
      irq: times.irq / 1000,
    })),
    memory: {
      total,
      available,
      used: total - available,
      usedPercent: ((total - available) / total) * 100,
      free: available,
    },
    disk: [
      {
        path: '.',
        total: disk.blocks * disk.bsize,
        free: disk.bavail * disk.bsize,
        used: (disk.blocks - disk.bfree) * disk.bsize,
      },
    ],
    load: { load1, load5, load15 },
  };
}
