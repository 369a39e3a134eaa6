"""``maskery size``: what a model takes on this machine, and what to ask of a cluster for a given load."""

import http.client
import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from maskery.core.errors import BadRequest, ConfigError, MaskeryError
from maskery.inference.runtimes.registry import usable_cores
from maskery.packaging.server_process import ServerProcess, ask, server_process
from maskery.serving.app import WEB

CONCURRENCIES = (1, 2, 4, 8)
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
BUSY_SHARE = 0.7
"""Replicas are for this share of what one can do: queues grow without bound as the share nears one."""
HEADROOM = 1.25
"""Limit of memory over the peak that was measured."""
STEP_MIB = 64
LEAST_GAIN = 1.05
"""More callers at once are worth it where they bring this many times the pictures a second."""


class LoadLevel(msgspec.Struct, frozen=True, kw_only=True):
    """A number of callers that each wait for an answer before the next request.

    Attributes:
        concurrency: Callers at once.
        pictures: Answers that were measured.
        p50_ms: Median time of an answer, milliseconds.
        p99_ms: Its 99th percentile; the longest one where there were fewer than 100.
        per_second: Answers a second.
        cpu_ms: Processor time of the server a picture.
    """

    concurrency: int
    pictures: int
    p50_ms: float
    p99_ms: float
    per_second: float
    cpu_ms: float


class SizeAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for.

    Attributes:
        concurrency: Requests to send to one replica at once.
        replicas: For ``load``, each busy for 70 % at most.
        cpu: Cores a replica.
        memory_request_mib: The peak that was measured, rounded up.
        memory_limit_mib: The same with a quarter more.
        load: Pictures a second, as given.
        target_p99_ms: As given; None = not given.
        meets: Whether the target is met at this concurrency.
    """

    concurrency: int
    replicas: int
    cpu: float
    memory_request_mib: int
    memory_limit_mib: int
    load: float
    target_p99_ms: float | None
    meets: bool


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, and what follows.

    Attributes:
        model: As given.
        precision: As given.
        cores: That the server could use.
        pictures: Files that were sent in turn.
        cold_start_ms: From the start of the process to "ready", median of three.
        idle_mib: What the process held before the first request.
        peak_mib: The most that it held.
        levels: By concurrency, ascending.
        advice: What to ask for.
    """

    model: str
    precision: str
    cores: int
    pictures: int
    cold_start_ms: float
    idle_mib: float
    peak_mib: float
    levels: list[LoadLevel]
    advice: SizeAdvice


class SizeQuestion(NamedTuple):
    """``load``: pictures a second; ``seconds``: of each level; ``threads``: of a run, 0 = all cores."""

    model: str
    precision: str = "float"
    photos: Path | None = None
    load: float = 1.0
    target_p99_ms: float | None = None
    seconds: float = 5.0
    starts: int = 3


def measure_size(question: SizeQuestion) -> Sizing:
    """Start the server as a deployment has it and send it pictures.

    Raises ``BadRequest`` for a folder without pictures, ``ModelError`` where the server does not start or answer.
    """
    pictures = _pictures(question.photos)
    arguments = ["--model", question.model, "--precision", question.precision]
    starts = []
    for _ in range(question.starts - 1):
        with server_process(arguments) as server:
            starts.append(server.cold_start_s)
    with server_process(arguments) as server:
        starts.append(server.cold_start_s)
        idle = server.resident_mib
        for picture in pictures:  # each once, so that caches and buffers are as they stay
            _run_level(server, [picture], 1, 0.0)
        levels = [_run_level(server, pictures, count, question.seconds) for count in CONCURRENCIES]
        peak = server.peak_mib
    return Sizing(
        model=question.model,
        precision=question.precision,
        cores=usable_cores(),
        pictures=len(pictures),
        cold_start_ms=round(median(starts) * 1000, 1),
        idle_mib=round(idle, 1),
        peak_mib=round(peak, 1),
        levels=levels,
        advice=advise(levels, peak, question.load, question.target_p99_ms),
    )


def advise(levels: Sequence[LoadLevel], peak_mib: float, load: float, target_p99_ms: float | None) -> SizeAdvice:
    """The fewest callers that bring nearly what the best level within the target brings; replicas for ``load``."""
    within = [one for one in levels if target_p99_ms is None or one.p99_ms <= target_p99_ms]
    allowed = within or [min(levels, key=lambda one: one.p99_ms)]
    best = max(one.per_second for one in allowed)
    taken = next(one for one in allowed if one.per_second * LEAST_GAIN >= best)
    request = math.ceil(peak_mib / STEP_MIB) * STEP_MIB
    return SizeAdvice(
        concurrency=taken.concurrency,
        replicas=max(1, math.ceil(load / (BUSY_SHARE * taken.per_second))),
        cpu=max(0.1, round(taken.cpu_ms * taken.per_second / 1000 + 0.05, 1)),
        memory_request_mib=request,
        memory_limit_mib=math.ceil(peak_mib * HEADROOM / STEP_MIB) * STEP_MIB,
        load=load,
        target_p99_ms=target_p99_ms,
        meets=bool(within),
    )


def read_advice(path: Path) -> dict[str, Any]:
    """Keys of a manifest, of the JSON that ``maskery size --json`` printed. Raises ``ConfigError``."""
    try:
        advice = msgspec.json.decode(path.read_bytes(), type=Sizing).advice
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            f"{path} is not what size printed: {error}.", "Run: maskery size --json > size.json"
        ) from error
    memory = f"{advice.memory_limit_mib}MiB"
    counts = {"concurrency": advice.concurrency, "replicas": advice.replicas, "max_replicas": 4 * advice.replicas}
    return {"memory": memory, "cpu": advice.cpu} | counts


def sizing_text(sizing: Sizing) -> str:
    """For people: the table, then what to ask for."""
    advice = sizing.advice
    lines = [
        f"{sizing.model} ({sizing.precision}), {sizing.cores} cores, {sizing.pictures} pictures in turn",
        f"start {sizing.cold_start_ms:.0f} ms, memory {sizing.idle_mib:.0f} MiB idle, at most {sizing.peak_mib:.0f}",
        "",
        "callers   p50 ms   p99 ms   pictures/s   cpu ms a picture",
        *(_row(one) for one in sizing.levels),
        "",
        f"concurrency {advice.concurrency}, replicas {advice.replicas} for {advice.load:g} pictures a second",
        f"requests: cpu {advice.cpu:g}, memory {advice.memory_request_mib}Mi; limit: {advice.memory_limit_mib}Mi",
    ]
    if not advice.meets:
        lines.append(f"No level stays within {advice.target_p99_ms:g} ms: take more cores, int8 or smaller pictures.")
    return "\n".join(lines)


def _row(one: LoadLevel) -> str:
    figures = f"{one.p50_ms:>7.1f}  {one.p99_ms:>7.1f}  {one.per_second:>11.1f}  {one.cpu_ms:>17.1f}"
    return f"{one.concurrency:>7}  {figures}"


def _pictures(folder: Path | None) -> list[bytes]:
    files = sorted(p for p in (folder or WEB / "samples").iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise BadRequest(f"{folder} holds no pictures.", f"Name a folder of {', '.join(SUFFIXES)} files.")
    return [path.read_bytes() for path in files]


def _run_level(server: ServerProcess, pictures: Sequence[bytes], callers: int, seconds: float) -> LoadLevel:
    """``callers`` at once for ``seconds``, at least one picture each."""
    times: list[float] = []
    errors: list[MaskeryError] = []
    cpu, began = server.cpu_s, time.perf_counter()

    def call(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        try:
            sent = first
            while True:
                times.append(ask(connection, pictures[sent % len(pictures)], "/v1/segment?format=mask"))
                sent += 1
                if time.perf_counter() - began >= seconds:
                    return
        except MaskeryError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    took, ordered = time.perf_counter() - began, sorted(times)
    return LoadLevel(
        concurrency=callers,
        pictures=len(ordered),
        p50_ms=round(median(ordered) * 1000, 2),
        p99_ms=round(ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.99) - 1)] * 1000, 2),
        per_second=round(len(ordered) / took, 2),
        cpu_ms=round((server.cpu_s - cpu) / len(ordered) * 1000, 2),
    )
