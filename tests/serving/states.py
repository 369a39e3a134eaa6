"""States of a service, for tests of what shows them."""

from maskery.inference.prompts.embedding_cache import CacheState
from maskery.serving.telemetry.status import Device, Memory, ModelStatus, Queue, RunTimes, Status, Waiting

EVERYDAY = ModelStatus(
    name="everyday",
    version="1.0.0",
    aliases=("best",),
    default=True,
    state="ready",
    reason="",
    device=Device(asked="auto", used="cpu"),
    runtime="onnxruntime 1.31.1",
    file_bytes=6_000_000,
    memory_bytes=9_000_000,
    batch=2,
    idle_seconds=1.5,
    runs=RunTimes(3, 3, 20.0, 30.0),
    queue=Queue(2, (Waiting(1, "a-1", 0.75, 59.25), Waiting(2, "b-2", 0.5, 59.5))),
)
BROKEN = ModelStatus(
    name="broken",
    version="2",
    aliases=(),
    default=False,
    state="failed",
    reason="broken.onnx cannot be loaded.",
    device=Device(asked="cuda", used=""),
    runtime="",
    file_bytes=1000,
    memory_bytes=0,
    batch=1,
    idle_seconds=None,
    runs=RunTimes(),
    queue=Queue(),
)
STATUS = Status(
    version="0.1.0",
    uptime_seconds=12.5,
    ready=False,
    models=(EVERYDAY, BROKEN),
    memory=Memory(
        rss_bytes=100, peak_bytes=200, budget_bytes=250, held_bytes=50, limit_bytes=300, limit_source="setting"
    ),
    embeddings=CacheState(pictures=2, bytes=9_000_000, limit_bytes=64_000_000, hits=7, misses=3, evicted=1),
    jobs={"queued": 1, "running": 1, "succeeded": 4, "failed": 0, "cancelled": 0},
    limits={"max_queue": 64},
)
