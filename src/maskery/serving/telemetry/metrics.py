"""What GET /metrics answers, as Prometheus metrics. docs/observability.md lists every metric.

One ``Metrics`` an app, with a registry of its own. Labels are names of ours: protocols, models and classes that were
made known, status codes, stages. A caller's text never becomes a label.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from maskery.core.version import __version__
from maskery.serving.telemetry.status import STATES, ModelStatus, Status


def gauges_of(status: Status) -> Iterator[Metric]:
    """Every gauge, also those without a value now, and what the cache of embeddings counts."""
    gauges = _families()
    for model in status.models:
        _add_model(gauges, model)
    gauges["ready"].add_metric((), status.ready)
    gauges["uptime_seconds"].add_metric((), status.uptime_seconds)
    gauges["memory_peak_bytes"].add_metric((), status.memory.peak_bytes)
    gauges["held_bytes"].add_metric((), status.memory.held_bytes)
    if status.memory.budget_bytes is not None:
        gauges["memory_budget_bytes"].add_metric((), status.memory.budget_bytes)
    gauges["embedding_bytes"].add_metric((), status.embeddings.bytes)
    gauges["embedding_pictures"].add_metric((), status.embeddings.pictures)
    for state, count in (status.jobs or {}).items():
        gauges["jobs"].add_metric((state,), count)
    requests = CounterMetricFamily(
        "maskery_embedding_requests", "Clicks and boxes by whether their picture was embedded.", labels=("found",)
    )
    requests.add_metric(("hit",), status.embeddings.hits)
    requests.add_metric(("miss",), status.embeddings.misses)
    return iter((*gauges.values(), requests))


def _add_model(gauges: dict[str, GaugeMetricFamily], model: ModelStatus) -> None:
    name, waiting = model.key, model.queue.waiting
    gauges["queue_length"].add_metric((name,), len(waiting))
    gauges["queue_oldest_seconds"].add_metric((name,), max((one.age_seconds for one in waiting), default=0.0))
    gauges["running"].add_metric((name,), model.queue.running)
    gauges["device_info"].add_metric((name, model.device.asked, model.device.used), 1)
    for state in STATES:
        gauges["model_state"].add_metric((name, state), state == model.state)


def _families() -> dict[str, GaugeMetricFamily]:
    table = (
        ("queue_length", "Requests that wait for a model.", ("model",)),
        ("queue_oldest_seconds", "How long the oldest of them has waited.", ("model",)),
        ("running", "Pictures in work.", ("model",)),
        ("model_state", "1 for the state that a model is in, 0 for the others.", ("model", "state")),
        ("device_info", "Device asked for and device in use; always 1.", ("model", "asked", "used")),
        ("ready", "1 when /readyz answers 200.", ()),
        ("uptime_seconds", "Seconds since the service was started.", ()),
        ("memory_peak_bytes", "Most resident memory that the process ever had.", ()),
        ("jobs", "Jobs that are kept, by state.", ("state",)),
        ("held_bytes", "Bytes of all callers' pictures that wait or are at work.", ()),
        ("embedding_bytes", "Bytes of pictures that wait for the next click.", ()),
        ("embedding_pictures", "Pictures that wait for the next click.", ()),
        ("memory_budget_bytes", "Bytes that loaded models may take together, where a budget is set.", ()),
    )
    return {name: GaugeMetricFamily(f"maskery_{name}", help, labels=labels) for name, help, labels in table}


SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PIXELS = (65_536, 262_144, 1_000_000, 2_000_000, 5_000_000, 12_000_000, 24_000_000, 50_000_000, 100_000_000)
BYTES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
BATCH = (1, 2, 4, 8, 16, 32, 64)

Child = TypeVar("Child")

OPENMETRICS = "application/openmetrics-text"


class Children(dict[tuple[str | int, ...], Child]):
    """Label values -> the metric's child; a look-up here costs a tenth of ``labels``."""

    def __init__(self, parent: Callable[..., Child]) -> None:
        super().__init__()
        self._parent = parent

    def __missing__(self, labels: tuple[str | int, ...]) -> Child:
        child = self[labels] = self._parent(*labels)
        return child


class Metrics:
    """What the serving code counts. Thread-safe."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._classes: dict[str, frozenset[str]] = {}
        self._of_requests()
        self._of_pictures()
        self._of_models()
        build = Info("maskery_build", "Version of Maskery and of Python.", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)

    def _of_requests(self) -> None:
        requests = Counter(
            "maskery_requests", "Requests answered.", ("protocol", "model", "status"), registry=self.registry
        )
        seconds = Histogram(
            "maskery_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("protocol", "model"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._requests, self._seconds = Children(requests.labels), Children(seconds.labels)

    def _of_pictures(self) -> None:
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        stages = histogram(
            "maskery_stage_seconds", "Seconds of a picture by stage.", ("model", "stage"), buckets=SECONDS
        )
        self._pixels = histogram("maskery_picture_pixels", "Pixels of a picture as it was sent.", buckets=PIXELS)
        self._bytes = histogram("maskery_picture_bytes", "Bytes of a picture's file.", buckets=BYTES)
        batch = histogram("maskery_batch_size", "Pictures that ran together.", ("model",), buckets=BATCH)
        shares = counter(
            "maskery_class_share", "Sum over pictures of the share (0 to 1) of pixels of a class.", ("model", "class")
        )
        shared = counter("maskery_class_pictures", "Pictures that maskery_class_share_total counts.", ("model",))
        self._stages, self._batch = Children(stages.labels), Children(batch.labels)
        self._shares, self._shared = Children(shares.labels), Children(shared.labels)

    def _of_models(self) -> None:
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self._loads = counter("maskery_model_loads", "Times that a model was loaded.", ("model",))
        self._load_seconds = gauge(
            "maskery_model_load_seconds", "Seconds that the last load took, its check included.", ("model",)
        )
        self._unloads = counter("maskery_model_unloads", "Times that a model was given up.", ("model", "reason"))
        self._memory_change = gauge(
            "maskery_model_memory_change_bytes",
            "Change of resident memory by the last load or unload.",
            ("model", "event"),
        )

    def know(self, model: str, classes: Sequence[str]) -> None:
        """Let ``model`` and its ``classes`` be labels. A model that was not made known is counted as ``""``."""
        self._classes[model] = frozenset(classes)
        self._shared[(model,)]
        for name in classes:
            self._shares[(model, name)]

    def answered(self, protocol: str, model: str, status: int, seconds: float) -> None:
        """A request has its answer."""
        name = self._known(model)
        self._requests[(protocol, name, status)].inc()
        self._seconds[(protocol, name)].observe(seconds)

    def stages(self, model: str, timings_ms: Mapping[str, float]) -> None:
        """A picture went through these stages."""
        name = self._known(model)
        for stage, milliseconds in timings_ms.items():
            self._stages[(name, stage)].observe(milliseconds / 1000)

    def picture(self, pixels: int, bytes: int) -> None:
        """A picture of this many pixels came in a file of this many bytes."""
        self._pixels.observe(pixels)
        self._bytes.observe(bytes)

    def batch(self, model: str, size: int) -> None:
        """The model ran ``size`` pictures together."""
        self._batch[(self._known(model),)].observe(size)

    def shares(self, model: str, shares: Mapping[str, float]) -> None:
        """The shares (0 to 1) of one picture's pixels by class; a class without pixels may be left out."""
        classes = self._classes.get(model)
        if classes is None:
            return
        self._shared[(model,)].inc()
        for name, share in shares.items():
            if name in classes:
                self._shares[(model, name)].inc(share)

    def loaded(self, model: str, seconds: float, rss_before: int, rss_after: int) -> None:
        """The model was loaded; resident memory in bytes."""
        name = self._known(model)
        self._loads.labels(name).inc()
        self._load_seconds.labels(name).set(seconds)
        self._memory_change.labels(name, "load").set(rss_after - rss_before)

    def unloaded(self, model: str, reason: str, rss_before: int, rss_after: int) -> None:
        """The model was given up. ``reason``: one of a few words of ours, never an error's text."""
        name = self._known(model)
        self._unloads.labels(name, reason).inc()
        self._memory_change.labels(name, "unload").set(rss_after - rss_before)

    def render(self, status: Status, accept: str = "") -> tuple[bytes, str]:
        """All of it and its Content-Type: OpenMetrics 1.0 where ``accept`` names it, else the text format 0.0.4."""
        # The library's own reading of Accept stumbles over a version that is no number.
        encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in accept else "")
        return encode(WithGauges(self.registry, status)), content_type

    def _known(self, model: str) -> str:
        return model if model in self._classes else ""


class WithGauges(Collector):
    """What a registry has counted, and the state of the service beside it."""

    def __init__(self, registry: CollectorRegistry, status: Status) -> None:
        self._registry, self._status = registry, status

    def collect(self) -> Iterator[Metric]:
        """Every metric with its samples."""
        yield from self._registry.collect()
        yield from gauges_of(self._status)
