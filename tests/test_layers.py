"""Who may import whom: each layer only what stands before it."""

import ast
from pathlib import Path

import maskery

ROOT = Path(maskery.__file__).parent
LAYERS = [
    {"errors"},
    {
        "settings",
        "strict",
        "labels",
        "metrics",
        "boundary",
        "blocks",
        "rows",
        "runs",
        "boxes",
        "plan",
        "process_memory",
        "sizes",
        "stopwatch",
        "occurrence",
        "inline",
    },
    {"image", "result", "model_card"},
    {"streaming", "banded"},
    {"engine", "tasks", "encode", "zoo", "datasets"},
    {"pipeline"},
    {"finding", "cascade", "loading"},
    {"measuring", "evaluation", "api", "shrinking", "training", "importing"},
    {"serving"},
    {"cli", "__main__"},
]
HEAVY = {
    "torch": ("training", "importing", "cli"),
    "onnx": ("training", "importing", "shrinking"),
    "matplotlib": ("training", "cli"),
    "torchvision": ("importing",),
    "transformers": ("importing",),
    "huggingface_hub": ("importing",),
    "ai_edge_litert": ("engine",),
    "opentelemetry": ("serving",),
    "pyvips": ("streaming.py",),
}


def _layer(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if module in names)


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [
                f"{node.module}.{alias.name}" if node.module == "maskery" else node.module for alias in node.names
            ]
    return found


def test_imports_go_one_way() -> None:
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for name in _imports(path):
            if name.startswith("maskery.") and name != "maskery.__version__":
                target = name.split(".")[1]
                assert _layer(target) <= _layer(parts[0]), f"{path.relative_to(ROOT)} imports {name}"


def test_heavy_packages_stay_in_their_folder() -> None:
    for path in ROOT.rglob("*.py"):
        top = path.relative_to(ROOT).parts[0]
        for name in _imports(path):
            homes = HEAVY.get(name.split(".")[0])
            assert homes is None or top in (*homes, "zoo"), f"{path.relative_to(ROOT)} imports {name}"


def test_no_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        name = ".".join(("maskery", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {n for n in _imports(path) if n.startswith("maskery.") and n != name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
