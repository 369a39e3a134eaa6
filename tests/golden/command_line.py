"""Golden answers of the command line: what segment writes, and what every verb says of typical mistakes."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.golden import pictures
from tests.golden.case import Case, case_of, json_case, settled
from tests.golden.workplace import Workplace

LOG_LINE = re.compile(r"(?m)^\d{4}-\d\d-\d\d .*\n")
WRITES: Mapping[str, tuple[str, ...]] = {
    "mask": ("segment", "cat.png"),
    "stdin": ("segment", "-"),
    "json": ("segment", "cat.png", "turned.jpg", "--format", "json", "--classes", "cat,person"),
    "entropy": ("segment", "cat.png", "--format", "entropy", "--option", "depth=16"),
    "coco": ("segment", "turned.jpg", "--format", "coco", "--option", "shape=polygon", "--option", "tolerance=1"),
    "side": ("segment", "cat.png", "--format", "summary", "--max-side", "128", "--model", "streets"),
    "file": ("segment", "cat.png", "-o", "out/file/overlay.jpg"),
    "array": ("segment", "cat.png", "-o", "out/array/map.npy", "--tile", "64"),
    "folder": ("segment", "folder", "--format", "cutout", "-o", "out/folder"),
    "labels": ("segment", "folder/a.png", "--format", "yolo", "-o", "out/labels/"),
    "list": ("models", "list", "--json"),
    "show": ("models", "show", "everyday", "--json"),
    "verify": ("models", "verify", "everyday"),
    "version": ("--version",),
}
MISTAKES: tuple[tuple[str, ...], ...] = (
    ("frobnicate",), ("segment",), ("segment", "nowhere.jpg"), ("segment", "cat.png", "--format", "gif"),
    ("segment", "cat.png", "--option", "depth=16"),
    ("segment", "cat.png", "--format", "entropy", "--option", "depth=9"),
    ("segment", "cat.png", "--format", "entropy", "--option", "depth"), ("segment", "folder"),
    ("segment", "cat.png", "-o", "x.gif"), ("segment", "cat.png", "--classes", "cta"),
    ("segment", "cat.png", "--max-side", "9"), ("segment", "cat.png", "-o", "cat.png"),
    ("segment", "folder/broken.jpg"), ("segment", "folder/notes.txt"), ("segment", "cat.png", "--model", "everydya"),
    ("segment", "cat.png", "--model", "selfie-256"), ("segment", "cat.png", "--model", "cifar10", "--format", "mask"),
    ("segment", "cat.png", "--nothing"),
    ("serve", "--model", "nothing-like-it"), ("serve", "--port", "70000"), ("serve", "--host", "256.1.1.1"),
    ("serve", "--memory", "much"), ("serve", "--config", "nowhere.toml"), ("serve", "--device", "gpu"),
    ("models", "show", "everydya"), ("models", "pull", "everydya"), ("models", "remove", "everyday"),
    ("models", "pull", "selfie-256", "--offline"), ("models", "pull", "bisenetv2-celebamaskhq-448", "--offline"),
    ("models", "verify", "selfie-256"), ("models", "add", "nowhere.onnx"), ("models", "add", "folder/notes.txt"),
    ("models", "import", "elsewhere/x"), ("evaluate",), ("evaluate", "everyday", "folder"),
    ("evaluate", "everyday", "nowhere"), ("evaluate", "everydya", "folder"), ("compare", "everyday", "streets"),
    ("compare", "everyday", "everydya", "cat.png"), ("compare", "everyday", "streets", "nowhere.jpg"),
    ("data", "check", "nowhere"), ("data", "check", "folder"), ("data", "check", "folder", "--format", "cocoo"),
    ("quantise", "everydya", "--calibrate", "folder"), ("quantise", "everyday", "--calibrate", "nowhere"),
    ("quantise", "everyday"), ("train", "nowhere.toml"), ("export", "nowhere"),
)  # fmt: skip


def of_writes(place: Workplace) -> dict[str, Case]:
    """Standard output, exit code and files of what works."""
    _make(place)
    done = _run_all(place, WRITES.values(), pictures.cat())
    found = {name: _case(one) for name, one in zip(WRITES, done, strict=True)}
    for path in sorted(p for p in (place.folder / "out").rglob("*") if p.is_file()):
        found[f"written {path.relative_to(place.folder).as_posix()}"] = case_of(path.read_bytes())
    return found


def of_mistakes(place: Workplace) -> dict[str, Case]:
    """Exit code and words of what does not work."""
    _make(place)
    done = _run_all(place, MISTAKES, b"")
    return {" ".join(words): _case(one) for words, one in zip(MISTAKES, done, strict=True)}


def _make(place: Workplace) -> None:
    (place.folder / "folder").mkdir(exist_ok=True)
    files = {"cat.png": pictures.cat(), "turned.jpg": pictures.turned(), "folder/a.png": pictures.grey()}
    files |= {"folder/broken.jpg": pictures.broken(), "folder/notes.txt": b"no picture"}
    for name, data in files.items():
        (place.folder / name).write_bytes(data)


def _run_all(
    place: Workplace, commands: Iterable[tuple[str, ...]], stdin: bytes
) -> list[subprocess.CompletedProcess[bytes]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda words: place.run(*words, stdin=stdin), commands))


def _case(done: subprocess.CompletedProcess[bytes]) -> Case:
    words = settled(LOG_LINE.sub("", done.stderr.decode()))
    try:
        found = json_case({f"line {i}": json.loads(line) for i, line in enumerate(done.stdout.splitlines())})
    except ValueError:
        found = case_of(done.stdout)
    found["like"] |= {"exit code": done.returncode, "stderr": words}
    return found
