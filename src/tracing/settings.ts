export interface TracingSettings {
  /** Where OTLP over HTTP is taken: `http://collector:4318/v1/traces`. */
  readonly endpoint: URL;
  /** Sent with each request to the collector; may hold its credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM of the authority the collector's certificate is from; the system's without it. */
  readonly authority: string | undefined;
  /** Of requests that come without a decision, from 0 to 1. */
  readonly sampleRatio: number;
  /** A client's own decision (`traceparent`) counts. */
  readonly parentBased: boolean;
  readonly serviceName: string;
  readonly resource: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}
