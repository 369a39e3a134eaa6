"""The state of the service, put together from what its parts know."""

import time
from typing import Any, Protocol

from maskery.core.settings import Settings
from maskery.core.version import __version__
from maskery.serving.runtime.memory_budget import Budget, MemoryLimit
from maskery.serving.runtime.model_pool import ModelPool, PooledModel
from maskery.serving.runtime.scheduler import Scheduler
from maskery.serving.telemetry.events import Events
from maskery.serving.telemetry.status import Device, ModelStatus, Queue, Status, Waiting, limits, memory_now


class RunningService(Protocol):
    """What of an ``InferenceService`` the status is made of. ``began``: of ``time.monotonic``."""

    began: float
    budget: Budget | None
    events: Events
    memory_limit: MemoryLimit
    pool: ModelPool
    settings: Settings

    @property
    def scheduler(self) -> Scheduler[Any]: ...

    def job_states(self) -> dict[str, int] | None:
        """How many jobs are in each state; None where none are taken."""


def overview(service: RunningService, held_bytes: int = 0) -> Status:
    """The status now. ``held_bytes``: of callers' pictures. On the event loop only: the queues are the loop's."""
    budget, limit = service.budget, service.memory_limit
    models_bytes = budget.models if budget else None
    return Status(
        version=__version__,
        uptime_seconds=round(time.monotonic() - service.began, 1),
        ready=service.pool.ready,
        models=tuple(_model(service, pooled) for pooled in service.pool.views()),
        memory=memory_now(models_bytes, held_bytes, limit.bytes, limit.source),
        embeddings=service.pool.embeddings.state(),
        jobs=service.job_states(),
        limits=limits(service.settings),
    )


def devices(service: RunningService) -> dict[str, Device]:
    """NAME@VERSION -> device asked for and in use, of the loaded models."""
    return {pooled.key: _device(service, pooled) for pooled in service.pool.views() if pooled.model}


def _device(service: RunningService, pooled: PooledModel) -> Device:
    return Device(service.settings.device, pooled.model.session.device if pooled.model else "")


def _model(service: RunningService, pooled: PooledModel) -> ModelStatus:
    card, model = pooled.card, pooled.model
    return ModelStatus(
        name=card.name,
        version=card.version,
        aliases=tuple(service.pool.aliases_of(pooled)),
        default=card.name == service.pool.default,
        state=pooled.state,
        reason=pooled.reason,
        device=_device(service, pooled),
        runtime=model.session.runtime if model else "",
        file_bytes=card.bytes,
        memory_bytes=pooled.bytes,
        batch=pooled.batch,
        idle_seconds=_idle(pooled),
        runs=service.events.run_times(pooled.key),
        queue=_queue(service, pooled.key),
        changes=tuple(pooled.changes),
    )


def _idle(pooled: PooledModel) -> float | None:
    if pooled.running:
        return 0.0
    return round(time.monotonic() - pooled.last_used, 1) if pooled.last_used else None


def _queue(service: RunningService, model: str) -> Queue:
    """The jobs of ``model`` (NAME@VERSION), whichever queues they are in."""
    places = (place for place in service.scheduler.waiting() if place.item.job.model == model)
    waiting = (Waiting(p.position, p.request_id, round(p.age, 2), _rounded(p.seconds_left)) for p in places)
    running = sum(pending.job.model == model for pending in service.scheduler.running())
    return Queue(running, tuple(waiting))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
