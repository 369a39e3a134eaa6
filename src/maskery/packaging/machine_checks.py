"""Checks of the machine and the installation: what ``maskery doctor`` looks at beside the models."""

import importlib.metadata
import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

import maskery
from maskery.core.errors import MaskeryError
from maskery.core.process_memory import container_limit, glibc, machine_bytes
from maskery.core.settings import Settings
from maskery.core.version import __version__
from maskery.inference.runtimes.registry import usable_cores
from maskery.packaging.finding import SetupFinding, fault, fault_of, fine, warning
from maskery.serving.runtime.memory_budget import memory_limit

MIB = 1 << 20
LEAST_MEMORY = 200 * MIB
"""Of a process with the smallest built-in model and a photograph."""
FILES_BESIDE_CONNECTIONS = 64
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
FIRST_RELEASE = 1_767_225_600
"""2026-01-01T00:00:00Z: no clock that is right shows less."""


def environment(_: Settings) -> Iterator[SetupFinding]:
    """Python and the system."""
    says = f"Python {platform.python_version()}, {platform.platform(terse=True)}, {platform.machine()}"
    yield fine("environment", f"{says}, Maskery {__version__} in {Path(maskery.__file__).parent}")
    if sys.platform.startswith("linux") and glibc() is None:
        cure = "Take a system with glibc: an image of Debian, not of Alpine."
        yield warning("environment", "The C library is not glibc: freed memory is not given back.", cure)


def packages(settings: Settings) -> Iterator[SetupFinding]:
    """What Maskery needs, and what its settings need: installed, in versions that it takes."""
    extras = ["", *(["otel"] if settings.otel_endpoint else [])]
    wrong = 0
    for text in importlib.metadata.requires("maskery") or []:
        need = Requirement(text)
        extra = next((one for one in extras if need.marker is None or need.marker.evaluate({"extra": one})), None)
        if extra is None:
            continue
        cure = f"Run: pip install 'maskery[{extra}]'" if extra else f"Run: pip install '{need.name}{need.specifier}'"
        try:
            version = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            wrong += 1
            yield fault("packages", f"{need.name} is not installed.", cure)
            continue
        if not need.specifier.contains(version, prereleases=True):
            wrong += 1
            yield fault("packages", f"{need.name} is {version}; Maskery needs {need.specifier}.", cure)
    if not wrong:
        yield fine("packages", "all that is needed is installed")


def runtimes(settings: Settings) -> Iterator[SetupFinding]:
    """ONNX Runtime, and the device that the settings ask for."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        yield fault(
            "runtimes", f"onnxruntime cannot be imported: {error}.", "Run: pip install --force-reinstall onnxruntime"
        )
        return
    devices = [name.removesuffix("ExecutionProvider").lower() for name in ort.get_available_providers()]
    says = f"onnxruntime {ort.__version__}, providers {', '.join(devices)}"
    if settings.device == "cuda" and "cuda" not in devices:
        yield fault(
            "runtimes", f"device is cuda; {says}.", "Install onnxruntime-gpu and its CUDA, or set device = cpu."
        )
    elif settings.device == "auto" and "cuda" not in devices:
        yield warning(
            "runtimes", f"device is auto, and models will run on the CPU; {says}.", "Install onnxruntime-gpu."
        )
    else:
        yield fine("runtimes", says)
    sends = os.environ.get("ORT_DISABLE_TELEMETRY", "") not in ("1", "true")
    if sends:
        yield warning("runtimes", "ONNX Runtime's telemetry is on.", "Unset ORT_DISABLE_TELEMETRY, or set it to 1.")


def threads(settings: Settings) -> Iterator[SetupFinding]:
    """Threads of a run against cores, affinity and the container's quota."""
    cores, quota = usable_cores(), cpu_quota()
    usable = min(cores, quota or cores)
    asked = settings.threads or cores
    says = f"{asked} threads a run, {cores} usable cores" + (f", a quota of {quota:g}" if quota else "")
    if asked > cores:
        yield fault("threads", f"{says}: threads wait for each other.", f"Set threads = {cores}, or 0.")
    elif quota and asked > max(1, round(quota)):
        yield warning("threads", f"{says}: the quota stops them midway.", f"Set threads = {max(1, int(usable))}.")
    else:
        yield fine("threads", says)
    for name in THREAD_VARIABLES:
        text = os.environ.get(name, "")
        if text and not (text.isdigit() and 1 <= int(text) <= cores):
            yield warning("threads", f"{name}={text!r} does not fit {cores} cores.", f"Unset {name}.")


def cpu_quota(file: Path = CPU_MAX) -> float | None:
    """Cores that the container may use, of ``cpu.max`` (control groups, version 2); None without a quota."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(quota) / int(period) if quota.isdigit() else None


def limits(settings: Settings) -> Iterator[SetupFinding]:
    """Memory and open files."""
    container = container_limit()
    try:
        limit = memory_limit(settings.memory, container)
    except MaskeryError as error:
        yield fault_of("limits", error)
        return
    have = min(container or machine_bytes(), machine_bytes()) if machine_bytes() else 0
    says = f"memory {_size(limit.bytes)} (by {limit.source}), machine {_size(machine_bytes())}"
    if limit.bytes is not None and have and limit.bytes > have:
        yield fault("limits", f"{says}: more than there is.", f"Set memory to {have // MIB} MiB at most.")
    elif limit.bytes is not None and limit.bytes < LEAST_MEMORY:
        yield fault("limits", f"{says}: too little for any model.", "Give the process 256 MiB at least.")
    else:
        yield fine("limits", says)
    yield from _files(settings)


def _files(settings: Settings) -> Iterator[SetupFinding]:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + FILES_BESIDE_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < needed:
        cure = (
            f"Run: ulimit -n {needed}"
            if hard >= needed
            else f"Set max_connections = {soft - FILES_BESIDE_CONNECTIONS}."
        )
        yield warning("limits", f"{soft} files may be open, {needed} are needed for all connections.", cure)


def clock(_: Settings, now: float | None = None) -> Iterator[SetupFinding]:
    """A clock that is wrong breaks certificates, tokens and logs."""
    seconds = time.time() if now is None else now
    installed = Path(maskery.__file__).stat().st_mtime
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    if seconds < max(FIRST_RELEASE, installed - 86_400):
        yield fault("clock", f"The clock shows {shown}, before Maskery was installed.", "Set it, by NTP say.")
    else:
        yield fine("clock", shown)


def address(settings: Settings) -> Iterator[SetupFinding]:
    """Whether the server could listen where it should."""
    if not settings.port:
        yield fine("address", "any free port")
        return
    where = f"{settings.host}:{settings.port}"
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        yield warning("address", f"{where}: {error.strerror}.", "Stop what listens there, or set another port.")
    else:
        yield fine("address", f"{where} is free")


def _size(count: int | None) -> str:
    return f"{count // MIB} MiB" if count else "without limit" if count is None else "unknown"
