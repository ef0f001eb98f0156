/** OpenTelemetry's own definitions of its protocol (Python's opentelemetry-proto), reading what was sent as OTLP/JSON. */
import { existsSync } from 'node:fs';
import { pythonPackages } from './install.ts';
import { runProcess } from './process.ts';

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: string;
  /** Nanoseconds since the Unix epoch. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Unknown fields are errors. OTLP's JSON has ids in hex, where that of Protocol Buffers would have base64. */
const SCRIPT = `
import base64, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

def ids(value):
    if isinstance(value, list):
        return [ids(each) for each in value]
    if isinstance(value, dict):
        return {key: base64.b64encode(bytes.fromhex(each)).decode() if key in ('traceId', 'spanId', 'parentSpanId') else ids(each) for key, each in value.items()}
    return value

def plain(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof('value')) for each in attributes}

spans, resource = [], {}
for body in json.load(sys.stdin):
    request = json_format.ParseDict(ids(json.loads(body)), ExportTraceServiceRequest())
    for resource_spans in request.resource_spans:
        resource = plain(resource_spans.resource.attributes)
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8
                spans.append({
                    'traceId': span.trace_id.hex(), 'spanId': span.span_id.hex(), 'parentSpanId': span.parent_span_id.hex(),
                    'name': span.name, 'kind': Span.SpanKind.Name(span.kind),
                    'start': span.start_time_unix_nano, 'end': span.end_time_unix_nano,
                    'attributes': plain(span.attributes),
                })
json.dump({'spans': spans, 'resource': resource}, sys.stdout)
`;

export function available(): string | undefined {
  return existsSync(pythonPackages)
    ? undefined
    : 'Python with opentelemetry-proto is not installed (npm test does, if python3 has pip)';
}

/** What the bodies say; rejects with Python's traceback for one that is no export request. */
export async function parse(
  bodies: readonly string[],
): Promise<{ spans: ReceivedSpan[]; resource: Record<string, unknown> }> {
  const { code, stdout, stderr } = await runProcess(
    {
      command: 'python3',
      args: ['-c', SCRIPT],
      env: { PYTHONPATH: pythonPackages, PYTHONDONTWRITEBYTECODE: '1' },
    },
    JSON.stringify(bodies),
  );
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
