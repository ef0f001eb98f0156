import { InvalidRequest, PermissionDenied } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { text } from '../engine/fields.ts';
import type { MetricsPage } from '../metrics/page.ts';
import { systemPath } from '../mounts/system-context.ts';

const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';

/** `sys/metrics`: with a token that may read it or, where a listener allows it, without one and also while sealed. */
export function metricsPath({ metricsPage }: { metricsPage: MetricsPage }): EnginePath {
  return systemPath({
    pattern: 'metrics',
    summary: 'Shows the metrics of this node.',
    fields: { format: text({ description: 'prometheus, or JSON without it.', default: '' }) },
    operations: {
      read: {
        handler(context, { format }) {
          if (!context.token && !context.listener.unauthenticatedMetrics) throw new PermissionDenied();
          if (format === 'prometheus') {
            const body = metricsPage.prometheus();
            if (body === undefined) throw new InvalidRequest('prometheus is not enabled');
            return { raw: { contentType: PROMETHEUS, body } };
          }
          if (format !== '')
            throw new InvalidRequest(`metric response format ${JSON.stringify(format)} unknown`);
          return { raw: { contentType: 'application/json', body: JSON.stringify(metricsPage.json()) } };
        },
      },
    },
  });
}
