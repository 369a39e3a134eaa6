"""The image that ``maskery package docker`` describes, built and run by ``make containers``, which makes the base."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskery.core.settings import Settings
from maskery.models.segmenter import load
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package
from maskery.serving.app import WEB

BASE = os.environ.get("CONTAINERS", "")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BASE, reason="make containers runs it: CONTAINERS is not set")]

PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime", "runc")
# The ulimits: root of a container that runs in another one may not raise them.
CONFINED = (
    *("--network=none", "--read-only", "--memory=256m", "--memory-swap=256m", "--cap-drop=all"),
    *("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--security-opt=no-new-privileges"),
)
IMAGE, NAME = "localhost/maskery-tested:latest", f"maskery-tested-{os.getpid()}"
BUDGET_BYTES = 300_000_000
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
connection.request("POST", "/v1/segment?format=mask", open(sys.argv[1], "rb").read())
answer = connection.getresponse()
assert answer.status == 200, answer.read()
sys.stdout.buffer.write(answer.read())
"""


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert not check or done.returncode == 0, done.stderr.decode()
    return done


def podman(*command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return run(*PODMAN, *command, check=check)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("image") / "context"
    write_package("docker", folder, Manifest(), Settings())
    options = ("--pull=never", "--format=docker", f"--build-arg=BASE_IMAGE={BASE}", f"--tag={IMAGE}")
    run("buildah", "build", *options, str(folder))
    yield IMAGE
    run("buildah", "rmi", "--force", IMAGE)


@pytest.fixture
def container(image: str) -> Iterator[str]:
    podman("run", "--detach", f"--name={NAME}", *CONFINED, image)
    yield NAME
    podman("rm", "--force", NAME)


def healthy(container: str, patience: float = 60) -> bool:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if podman("healthcheck", "run", container, check=False).returncode == 0:
            return True
        time.sleep(0.5)
    return False


def test_it_stays_within_its_size(image: str) -> None:
    facts = json.loads(run("buildah", "inspect", "--type=image", image).stdout)
    size = int(podman("image", "inspect", "--format={{.Size}}", image).stdout)
    assert size <= BUDGET_BYTES, f"{size / 1e6:.0f} MB"
    assert facts["Docker"]["config"]["User"] == "10001:10001"
    assert facts["Docker"]["config"]["StopSignal"] == "SIGTERM"
    assert facts["Docker"]["config"]["Labels"]["io.maskery.models"] == "everyday"


def test_it_answers_a_picture_confined_and_stops_in_order(container: str) -> None:
    assert healthy(container), podman("logs", container).stderr.decode()
    sample = "/opt/maskery/lib/python3.11/site-packages/maskery/serving/web/samples/astronaut.jpg"
    answer = podman("exec", container, "python", "-c", ASK, sample).stdout
    assert answer == load("everyday").segment(WEB / "samples" / "astronaut.jpg").encode("mask")
    processes = podman(
        "exec", container, "python", "-c", "import os; print(sorted(filter(str.isdigit, os.listdir('/proc'))))"
    )
    assert len(json.loads(processes.stdout.replace(b"'", b'"'))) == 2  # the server, and the one that asks
    assert podman("exec", container, "python", "-c", "open('/opt/maskery/x', 'w')", check=False).returncode != 0
    podman("stop", "--time=35", container)
    state = json.loads(podman("inspect", "--format={{json .State}}", container).stdout)
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_a_damaged_weight_ends_the_build(tmp_path: Path) -> None:
    folder = tmp_path / "context"
    write_package("docker", folder, Manifest(), Settings())
    wheel = next((folder / "wheels").glob("maskery-*.whl"))
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    done = run("buildah", "build", "--pull=never", f"--build-arg=BASE_IMAGE={BASE}", str(folder), check=False)
    assert done.returncode != 0
    assert b"maskery-0.1.0-py3-none-any.whl: FAILED" in done.stdout + done.stderr
