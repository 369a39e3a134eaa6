"""The state of the service, put together from what its parts know."""

import time

from maskery import __version__
from maskery.serving.desk import Desk
from maskery.serving.residents import Resident
from maskery.serving.status import Device, ModelStatus, Queue, Status, Waiting, limits, memory_now


def overview(desk: Desk, held_bytes: int = 0) -> Status:
    """The status now. ``held_bytes``: of callers' pictures. On the event loop only: the queues are the loop's."""
    return Status(
        version=__version__,
        uptime_seconds=round(time.monotonic() - desk.began, 1),
        ready=desk.residents.ready,
        models=tuple(_model(desk, resident) for resident in desk.residents.views()),
        memory=memory_now(desk.budget.memory if desk.budget else None, held_bytes),
        limits=limits(desk.settings),
    )


def devices(desk: Desk) -> dict[str, Device]:
    """NAME@VERSION -> device asked for and in use, of the loaded models."""
    return {resident.key: _device(desk, resident) for resident in desk.residents.views() if resident.model}


def _device(desk: Desk, resident: Resident) -> Device:
    return Device(desk.settings.device, resident.model.session.device if resident.model else "")


def _model(desk: Desk, resident: Resident) -> ModelStatus:
    card, model = resident.card, resident.model
    return ModelStatus(
        name=card.name,
        version=card.version,
        aliases=tuple(desk.residents.aliases_of(resident)),
        default=card.name == desk.residents.default,
        state=resident.state,
        reason=resident.reason,
        device=_device(desk, resident),
        runtime=model.session.runtime if model else "",
        file_bytes=card.bytes,
        memory_bytes=resident.bytes,
        batch=resident.batch,
        idle_seconds=_idle(resident),
        runs=desk.notes.run_times(resident.key),
        queue=_queue(desk, resident.key),
        changes=tuple(resident.changes),
    )


def _idle(resident: Resident) -> float | None:
    if resident.running:
        return 0.0
    return round(time.monotonic() - resident.last_used, 1) if resident.last_used else None


def _queue(desk: Desk, line: str) -> Queue:
    places = (place for place in desk.scheduler.waiting() if place.line == line)
    waiting = (Waiting(p.position, p.request_id, round(p.age, 2), round(p.patience, 2)) for p in places)
    return Queue(desk.scheduler.running_in(line), tuple(waiting))
