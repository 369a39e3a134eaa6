"""The peak of one piece of work can be measured without forgetting the one of all."""

import mmap
from pathlib import Path

import pytest

from maskery.core import process_memory
from maskery.core.process_memory import (
    container_limit,
    machine_bytes,
    peak_bytes,
    peak_since_reset,
    reset_peak,
    resident_bytes,
)

MIB = 1 << 20


def test_the_peak_of_a_piece_of_work() -> None:
    if not reset_peak():
        pytest.skip("the peak cannot be reset here")
    before = resident_bytes()
    with mmap.mmap(-1, 60 * MIB) as fresh:  # pages that no earlier test has left to the allocator
        for _ in range(60):
            fresh.write(bytes(MIB))
    assert 55 * MIB <= peak_since_reset() - before < 70 * MIB
    most = peak_bytes()
    assert reset_peak()
    assert peak_since_reset() - before < 20 * MIB
    assert peak_bytes() >= most


def test_systems_that_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "_STATUS", process_memory.Path("/nowhere/status"))
    monkeypatch.setattr(process_memory, "_CLEAR", process_memory.Path("/nowhere/clear_refs"))
    monkeypatch.setattr(process_memory, "_before_resets", 0)
    assert not reset_peak()
    assert peak_bytes() == 0


def groups(folder: Path, own: str, limits: dict[str, str]) -> int | None:
    """The limit found below ``folder`` with these files; ``own``: the text of /proc/self/cgroup."""
    (folder / "own").write_text(own)
    for name, text in limits.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return container_limit(folder / "own", folder / "cgroup")


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/", {"memory.max": str(512 * MIB)}, 512 * MIB),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/pods/a", {"pods/a/memory.max": "max", "pods/memory.max": str(300 * MIB)}, 300 * MIB),
        ("0::/pods/a", {"pods/a/memory.max": str(200 * MIB), "pods/memory.max": str(300 * MIB)}, 200 * MIB),
        ("5:cpu:/x\n4:memory:/docker/abc", {"memory/memory.limit_in_bytes": str(256 * MIB)}, 256 * MIB),
        ("4:cpu,memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": str(256 * MIB)}, 256 * MIB),
        ("4:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("4:cpu:/", {"cpu/memory.limit_in_bytes": str(MIB), "memory/memory.limit_in_bytes": str(MIB)}, None),
        ("0::/", {}, None),
        ("nonsense", {"memory.max": "12.5"}, None),
    ],
)
def test_the_limit_of_the_container(tmp_path: Path, own: str, limits: dict[str, str], expected: int | None) -> None:
    assert groups(tmp_path, own, limits) == expected


def test_a_limit_that_is_no_lower_than_the_machine_is_none(tmp_path: Path) -> None:
    assert machine_bytes() > 100 * MIB
    assert groups(tmp_path, "0::/", {"memory.max": str(machine_bytes())}) is None
    assert groups(tmp_path, "0::/", {"memory.max": str(machine_bytes() - 1)}) == machine_bytes() - 1
    assert container_limit(tmp_path / "nowhere") is None
