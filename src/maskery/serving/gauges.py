"""The state of the service as Prometheus gauges."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily

from maskery.serving.status import STATES, ModelStatus, Status


def gauges_of(status: Status) -> Iterator[GaugeMetricFamily]:
    """Every gauge, also those without a value now."""
    gauges = _families()
    for model in status.models:
        _add_model(gauges, model)
    gauges["ready"].add_metric((), status.ready)
    gauges["uptime_seconds"].add_metric((), status.uptime_seconds)
    gauges["memory_peak_bytes"].add_metric((), status.memory.peak_bytes)
    gauges["held_bytes"].add_metric((), status.memory.held_bytes)
    if status.memory.budget_bytes is not None:
        gauges["memory_budget_bytes"].add_metric((), status.memory.budget_bytes)
    return iter(gauges.values())


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
        ("held_bytes", "Bytes of all callers' pictures that wait or are at work.", ()),
        ("memory_budget_bytes", "Bytes that loaded models may take together, where a budget is set.", ()),
    )
    return {name: GaugeMetricFamily(f"maskery_{name}", help, labels=labels) for name, help, labels in table}
