"""What a worker process does with jobs: it knows its settings, and gets everything else in the job."""

from functools import cache

from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.models.loading import open_model
from maskery.models.store import Store
from maskery.serving.protocols.registry import WRITERS
from maskery.serving.runtime.executor import run_group
from maskery.serving.runtime.request import InferenceJob
from maskery.serving.runtime.scheduler import JobResult


@cache
def model(settings: Settings, key: str) -> Model:
    """The model NAME@VERSION, opened from the store."""
    located = Store(settings).locate(key.partition("@")[0])
    opened = open_model(located, settings.device, settings.threads)
    assert opened.key == key
    return opened


def work(settings: Settings, jobs: list[InferenceJob]) -> list[JobResult]:
    """The worker's whole program."""
    return run_group(jobs, model(settings, jobs[0].model), WRITERS)
