"""States of a service, for tests of what shows them."""

from maskery.serving.status import Device, Memory, ModelStatus, Queue, RunTimes, Status, Waiting

EVERYDAY = ModelStatus(
    name="everyday",
    version="1.0.0",
    default=True,
    state="ready",
    reason="",
    device=Device(asked="auto", used="cpu"),
    runtime="onnxruntime 1.31.1",
    bytes=6_000_000,
    idle_seconds=1.5,
    runs=RunTimes(3, 3, 20.0, 30.0),
    queue=Queue(2, (Waiting(1, "a-1", 0.75, 59.25), Waiting(2, "b-2", 0.5, 59.5))),
)
BROKEN = ModelStatus(
    name="broken",
    version="",
    default=False,
    state="failed",
    reason="broken.onnx cannot be loaded.",
    device=Device(asked="cuda", used=""),
    runtime="",
    bytes=0,
    idle_seconds=None,
)
STATUS = Status(
    version="0.1.0",
    uptime_seconds=12.5,
    ready=False,
    models=(EVERYDAY, BROKEN),
    memory=Memory(rss_bytes=100, peak_bytes=200, budget_bytes=300),
    limits={"max_queue": 64},
)
