import { type Clock, rfc3339 } from '../base/clock.ts';
import { PermissionDenied } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { systemPath } from '../mounts/system-context.ts';

const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

/** `sys/metrics`: with a token that may read it or, where a listener allows it, without one. */
export function metricsPath({ metrics, clock }: { metrics: Metrics; clock: Clock }): EnginePath {
  return systemPath({
    pattern: 'metrics',
    summary: 'Shows the metrics of this node.',
    fields: { format: text({ description: 'prometheus, or JSON without it.', default: '' }) },
    operations: {
      read: {
        handler(context, input) {
          if (!context.token && !context.unauthenticatedMetrics) throw new PermissionDenied();
          if (input.format === 'prometheus')
            return { raw: { contentType: PROMETHEUS, body: metrics.prometheus() } };
          return {
            raw: {
              contentType: 'application/json',
              body: JSON.stringify(metrics.json(rfc3339(clock.now()))),
            },
          };
        },
      },
    },
  });
}
