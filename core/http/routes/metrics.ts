import { bodyAnswer } from '../problem.ts';
import type { Route } from '../route.ts';

const prometheusType = 'text/plain; version=0.0.4; charset=utf-8';
const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** For Prometheus, in its own text format, or in OpenMetrics if requested. */
export const metrics: Route = {
  method: 'get',
  path: '/metrics',
  right: 'observer',
  handle: ({ question }, { source }) => {
    const isOpen = question.accept.includes('application/openmetrics-text');
    const format = isOpen ? 'openMetrics' : 'prometheus';
    return bodyAnswer(200, isOpen ? openMetricsType : prometheusType, source.metrics(format));
  },
};
