import type { Metrics } from '../metrics/metrics.ts';
import type { Counter, Timing } from '../metrics/timing.ts';

/** How many entries of each kind went out together. */
export interface EntryCounts {
  readonly requests: number;
  readonly responses: number;
}

/** `audit.*`: what writing entries takes, and how many were lost; of all devices together or of one. */
export class AuditMetrics {
  readonly #requests: Timing;
  readonly #responses: Timing;
  readonly #requestsLost: Counter;
  readonly #responsesLost: Counter;

  constructor(metrics: Metrics, prefix: string) {
    this.#requests = metrics.timing(`${prefix}log_request`);
    this.#responses = metrics.timing(`${prefix}log_response`);
    this.#requestsLost = metrics.counter(`${prefix}log_request_failure`);
    this.#responsesLost = metrics.counter(`${prefix}log_response_failure`);
  }

  written({ requests, responses }: EntryCounts, ms: number): void {
    if (requests > 0) this.#requests.noteAll(ms, requests);
    if (responses > 0) this.#responses.noteAll(ms, responses);
  }

  lost({ requests, responses }: EntryCounts): void {
    this.#requestsLost.add(requests);
    this.#responsesLost.add(responses);
  }
}
