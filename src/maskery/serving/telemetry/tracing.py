"""OpenTelemetry: a span for each request, with one for each stage of its pictures. Imported only where it is asked for.

Once on, the SDK's own variables hold for the rest: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER,
OTEL_EXPORTER_OTLP_HEADERS and others. Nothing global is set: an application around ours keeps its own tracing.
"""

from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import Scope

from maskery.core.errors import ConfigError
from maskery.core.version import __version__
from maskery.serving.http.request_log import PictureTimings, RequestLog, request_id

TRACES = "/v1/traces"
NS_PER_MS = 1_000_000


class Tracing:
    """Makes the spans and hands them to ``processor``."""

    def __init__(self, processor: SpanProcessor) -> None:
        ours = Resource({"service.name": "maskery", "service.version": __version__})
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("maskery", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, scope: Scope) -> Span:
        """The span of a request that has just come, under the caller's ``traceparent`` where it sent a good one."""
        context = self._propagator.extract(Headers(scope=scope))
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        return self._tracer.start_span(scope["method"], context, SpanKind.SERVER, attributes)

    def finish(self, span: Span, scope: Scope, record: RequestLog) -> None:
        """End the span of a request whose answer is out, with what became of it."""
        route = getattr(scope.get("route"), "path", "")
        if route:
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)
        span.set_attributes(
            {
                "http.response.status_code": record.status,
                "http.request.body.size": record.bytes_in,
                "http.response.body.size": record.bytes_out,
                "maskery.protocol": record.protocol,
                "maskery.model": record.model,
                "maskery.format": record.format,
                "maskery.problem": record.problem,
                "maskery.request_id": request_id.get(),
            }
        )
        if record.status >= 500:
            span.set_status(Status(StatusCode.ERROR, record.problem))
        for picture in record.pictures:
            self._stages(span, picture)
        span.end()

    def _stages(self, parent: Span, picture: PictureTimings) -> None:
        """One span a stage. When each began is reckoned back from the end of the last one."""
        context = set_span_in_context(parent)
        at = picture.ended_ns - int(sum(picture.timings_ms.values()) * NS_PER_MS)
        for stage, milliseconds in picture.timings_ms.items():
            ends = at + int(milliseconds * NS_PER_MS)
            self._tracer.start_span(stage, context, start_time=at).end(ends)
            at = ends

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def to_collector(endpoint: str) -> Tracing:
    """Tracing to the OTLP collector at ``endpoint``, over HTTP. Raises ``ConfigError`` for what is no such address."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"The OpenTelemetry endpoint {endpoint!r} is no address.", "Give http://HOST:4318, say.")
    address = endpoint if parts.path.strip("/") else endpoint.rstrip("/") + TRACES
    return Tracing(BatchSpanProcessor(OTLPSpanExporter(address)))
