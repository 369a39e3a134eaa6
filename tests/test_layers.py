"""The house: who may import whom, how deep, how large, and that one name means one thing."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import maskery

ROOT = Path(maskery.__file__).parent
TESTS = Path(__file__).parent

# Each folder imports only those before it.
FOLDERS = (
    "core",
    "inference",
    "encode",
    "datasets",
    "evaluation",
    "models",
    "training",
    "jobs",
    "serving",
    "packaging",
    "integrations",
    "cli",
)
# Inside these folders too: a subfolder or, with its suffix, a file.
WITHIN = {
    "core": (
        "version.py",
        "errors.py",
        "files.py",
        "arrays.py",
        "process_memory.py",
        "progress.py",
        "timing.py",
        "boxes.py",
        "toml.py",
        "settings.py",
        "labels.py",
        "card.py",
        "plan.py",
        "picture",
        "result",
    ),
    "inference": (
        "preprocess.py",
        "runtimes",
        "upsample",
        "tiles",
        "planning",
        "source.py",
        "tasks",
        "pipeline.py",
        "faces",
    ),
}
HEAVY = {
    "torch": ("training", "models/importers", "cli"),
    "onnx": ("training", "models/importers", "models/quantisation"),
    "httpx2": ("integrations",),
    "matplotlib": ("training", "models/segmented_picture.py", "cli"),
    "supervision": ("models/segmented_picture.py",),
    "torchvision": ("models/importers",),
    "transformers": ("models/importers",),
    "huggingface_hub": ("models/importers",),
    "ai_edge_litert": ("inference/runtimes", "models/inspect.py"),
    "opentelemetry": ("serving/telemetry",),
    "pyvips": ("core/picture/stream.py",),
}
LONGEST_CHAIN = 25
SMALL_LINES, SMALL_SHARE = 60, 0.15
ROLES = ("__init__", "base", "registry", "routes", "paths")
"""File names that say what a file is to its folder; beside these a verb of the command line has its own name."""


def _modules() -> dict[str, Path]:
    """Dotted name -> file."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join((ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = path
    return found


MODULES = _modules()


@cache
def _imports(path: Path) -> frozenset[str]:
    """What a file imports, anywhere in it: modules of this package by their own name, others by their first part."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name if alias.name in MODULES else alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                known = full if full in MODULES else node.module
                found.add(known if known in MODULES else known.split(".")[0])
    return frozenset(found)


def _graph() -> dict[str, list[str]]:
    """Lazy imports counted; the package's own name is what users import, so it is no arrow."""
    return {
        name: sorted(other for other in _imports(path) if other in MODULES and other not in (name, ROOT.name))
        for name, path in MODULES.items()
    }


def _place(name: str) -> list[str]:
    """``maskery.core.picture.rows`` -> ["core", "picture", "rows.py"]."""
    return list(MODULES[name].relative_to(ROOT).parts)


def test_the_root_holds_folders_only() -> None:
    entries = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert entries - {*FOLDERS, "__init__.py", "__main__.py", "py.typed"} == set()


def test_imports_go_one_way_between_folders() -> None:
    for name, others in _graph().items():
        for other in others:
            here, there = _place(name)[0], _place(other)[0]
            if here in FOLDERS and there != here:
                assert FOLDERS.index(there) < FOLDERS.index(here), f"{name} imports {other}"


def test_imports_go_one_way_inside_core_and_inference() -> None:
    for name, others in _graph().items():
        for other in others:
            here, there = _place(name), _place(other)
            order = WITHIN.get(here[0])
            if order and there[0] == here[0] and here[1] != there[1] and "__init__.py" not in (here[1], there[1]):
                assert order.index(there[1]) < order.index(here[1]), f"{name} imports {other}"


def test_every_part_of_core_and_inference_has_its_rank() -> None:
    for folder, order in WITHIN.items():
        parts = {path.name for path in (ROOT / folder).iterdir()} - {"__pycache__", "__init__.py"}
        assert parts <= set(order)


def test_heavy_packages_stay_in_their_folder() -> None:
    for path in MODULES.values():
        place = path.relative_to(ROOT).as_posix()
        for name in _imports(path) & HEAVY.keys():
            assert place.startswith(HEAVY[name]), f"{place} imports {name}"


def test_no_cycles_and_no_long_chains() -> None:
    graph = _graph()
    longest: dict[str, tuple[str, ...]] = {}

    def visit(name: str, trail: tuple[str, ...]) -> tuple[str, ...]:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name not in longest:
            below = [visit(other, (*trail, name)) for other in graph[name]]
            longest[name] = (name, *max(below, key=len, default=()))
        return longest[name]

    deepest = max((visit(name, ()) for name in graph), key=len)
    assert len(deepest) <= LONGEST_CHAIN, " -> ".join(deepest)


def test_few_modules_are_small() -> None:
    lines = {name: path.read_text().count("\n") for name, path in MODULES.items() if path.name != "__init__.py"}
    small = [name for name, count in lines.items() if count < SMALL_LINES]
    assert len(small) <= SMALL_SHARE * len(lines), f"{len(small)} of {len(lines)}: {', '.join(sorted(small))}"


def test_one_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {cls: places for cls, places in homes.items() if len(places) > 1} == {}


def test_one_file_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for path in MODULES.values():
        place = path.relative_to(ROOT)
        if place.stem not in ROLES and place.parts[0] != "cli":
            homes[place.stem].append(place.as_posix())
    assert {stem: places for stem, places in homes.items() if len(places) > 1} == {}


def test_every_heavy_package_is_an_extra() -> None:
    text = (ROOT.parents[1] / "pyproject.toml").read_text()
    needed = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)
    assert needed
    names = re.findall(r'"([a-z0-9-]+)', needed.group(1))
    assert not {name.replace("_", "-") for name in HEAVY} & set(names)
