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
        "card_tensors.py",
        "card_facts.py",
        "card.py",
        "prompt.py",
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
        "objects",
        "tasks",
        "pipeline.py",
        "faces",
        "prompts",
        "video",
    ),
}
HEAVY = {
    "torch": ("training", "models/importers", "cli"),
    "onnx": ("training", "models/importers", "models/quantisation"),
    "httpx2": ("integrations",),
    "cvat_sdk": ("integrations",),
    "matplotlib": ("training", "models/segmented_picture.py", "cli"),
    "supervision": ("models/segmented_picture.py",),
    "torchvision": ("models/importers",),
    "transformers": ("models/importers",),
    "huggingface_hub": ("models/importers",),
    "ai_edge_litert": ("inference/runtimes", "models/inspect.py"),
    "opentelemetry": ("serving/telemetry",),
    "pyvips": ("core/picture/stream.py",),
    "faster_coco_eval": ("evaluation/average_precision.py",),
    "fsspec": ("jobs/folder/places.py",),
    "pyarrow": ("jobs/folder/collect.py",),
    "av": ("inference/video", "jobs"),
}
LONGEST_CHAIN = 14
SMALL_LINES, SMALL_SHARE = 60, 0.15
ROLES = ("__init__", "base", "registry", "routes", "paths")
"""File names that say what a file is to its folder; beside these a verb of the command line has its own name."""

FINISHED = (
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
    "cli",
)
"""Folders whose data classes of more than four fields are made by keywords and list their attributes."""
FEW_FIELDS = 4
# Modules without a test file of their name -> the test that runs them, and why it is that one.
TESTED_BY = {
    "__main__.py": "tests/cli/test_main.py: whole processes, python -m maskery",
    "cli/data.py": "tests/datasets/test_check.py: the command and what it checks are one",
    "cli/export.py": "tests/training/test_run_export.py: the command and the export are one",
    "cli/jobs.py": "tests/integrations/test_remote_jobs.py: the command against a real server",
    "cli/output.py": "tests/cli/test_evaluate.py: tables, JSON and reports as the verb prints them",
    "cli/own_models.py": "tests/cli/test_models.py: add and import are its only callers",
    "cli/train.py": "tests/training/test_loop.py: signals and resuming by the command",
    "core/card_facts.py": "tests/models/test_card_toml.py: cards with all that they state",
    "core/card_tensors.py": "tests/models/test_card_toml.py: inputs and outputs of cards, and refused ones",
    "core/picture/data_url.py": "tests/evaluation/test_measure.py: pictures inside a report",
    "core/picture/orientation.py": "tests/core/picture/test_decode.py: all eight orientations decoded",
    "core/prompt.py": "tests/inference/prompts/test_prompt_input.py: made of what callers send, and used as a key",
    "core/version.py": "tests/cli/test_main.py: --version",
    "datasets/base.py": "tests/datasets/test_datasets.py: every format offers what base describes",
    "datasets/camvid.py": "tests/datasets/test_published_sets.py: the published sets beside each other",
    "datasets/cityscapes.py": "tests/datasets/test_published_sets.py: the published sets beside each other",
    "datasets/classes.py": "tests/datasets/test_mask_folder.py: classes.toml and classes.txt of mask folders",
    "datasets/coco_json.py": "tests/datasets/test_coco_instances.py: the files that it parses",
    "datasets/decoding.py": "tests/datasets/test_mask_folder.py: masks by value and by colour",
    "datasets/drawn.py": "tests/datasets/test_labelme_folder.py: what formats of drawn objects have in common",
    "datasets/formats.py": "tests/datasets/test_datasets.py: each format recognised and opened",
    "datasets/report.py": "tests/datasets/test_check.py: reports of checked data sets",
    "datasets/shapes.py": "tests/datasets/test_coco_instances.py: polygons and runs of annotations",
    "datasets/sheet.py": "tests/datasets/test_data_page.py: the page in a browser",
    "datasets/twins.py": "tests/datasets/test_check.py: pictures that are there twice",
    "datasets/unlabelled.py": "tests/training/test_soft_labels.py: pictures without masks serve soft labels only",
    "datasets/voc.py": "tests/datasets/test_published_sets.py: the published sets beside each other",
    "cli/doctor.py": "tests/packaging/test_doctor.py: the command and its findings are one",
    "cli/size.py": "tests/packaging/test_size.py: the command and its measuring are one",
    "packaging/finding.py": "tests/packaging/test_doctor.py: the findings of all checks",
    "packaging/machine_checks.py": "tests/packaging/test_doctor.py: the faults of machines, one by one",
    "packaging/model_checks.py": "tests/packaging/test_doctor.py: the faults of models, one by one",
    "packaging/server_process.py": "tests/packaging/test_size.py: servers started, measured, refused",
    "encode/raster/jpeg.py": "tests/encode/raster/test_overlay.py: overlay-jpeg, its only caller",
    "encode/selection.py": "tests/encode/raster/test_cutout.py: what is kept, and refused without a background",
    "encode/vector/junctions.py": "tests/encode/vector/test_outlines.py: outlines of neighbours share their junctions",
    "evaluation/dataset.py": "tests/evaluation/test_measure.py: data sets opened for a model, and refused",
    "evaluation/measurement.py": "tests/evaluation/test_measure.py: what measuring gives",
    "evaluation/report/comparison_page.py": "tests/evaluation/test_comparison.py: the page of a comparison",
    "evaluation/report/evaluation_page.py": "tests/evaluation/test_measure.py: the page of a measurement",
    "evaluation/report/objects_page.py": "tests/evaluation/test_objects_measure.py: the page of measured objects",
    "evaluation/report/html.py": "tests/evaluation/test_measure.py: the page of a measurement",
    "evaluation/report/thumbnails.py": "tests/evaluation/test_measure.py: the page of a measurement",
    "evaluation/segmentation.py": "tests/evaluation/test_measure.py: the part of it that is for masks",
    "inference/faces/crop_plan.py": "tests/inference/faces/test_model.py: faces large, small and several",
    "inference/pipeline.py": "tests/inference/test_source.py: every kind of source through the pipeline",
    "inference/runtimes/base.py": "tests/inference/runtimes/test_registry.py: what every runtime offers",
    "inference/runtimes/litert.py": "tests/models/test_catalog.py: the LiteRT models of the catalogue",
    "inference/tasks/base.py": "tests/inference/tasks/test_tasks.py: every task by the same tests",
    "inference/tasks/classification.py": "tests/inference/tasks/test_tasks.py: every task by the same tests",
    "inference/tasks/foreground.py": "tests/inference/tasks/test_tasks.py: every task by the same tests",
    "inference/tasks/semantic.py": "tests/inference/tasks/test_tasks.py: every task by the same tests",
    "inference/video/following.py": "tests/jobs/test_video.py: objects and classes followed through whole runs",
    "jobs/folder/answer_options.py": "tests/jobs/folder/test_answers.py: what is done with them",
    "jobs/open_video.py": "tests/jobs/test_video_request.py: requests become runs",
    "jobs/parts.py": "tests/jobs/test_video.py: interrupted, killed and resumed runs",
    "jobs/video_options.py": "tests/cli/test_video.py: what is refused, and where files go",
    "jobs/video_report.py": "tests/jobs/test_video.py: the page of a run",
    "jobs/video_writer.py": "tests/jobs/test_video.py: containers, codecs and sound of whole runs",
    "models/importers/dense.py": "tests/models/importers/test_torchvision.py: scores on the coarse grid",
    "models/importers/torch_onnx.py": "tests/models/importers/test_onnx_file.py: what is traced there",
    "models/inspect.py": "tests/models/test_propose_card.py: cards are proposed by what it reads",
    "models/loading.py": "tests/models/test_catalog.py: every model is loaded",
    "models/memory_use.py": "tests/evaluation/test_comparison.py: the memory of two models",
    "models/quantisation/summary.py": "tests/models/quantisation/test_search.py: cards and refusals of whole runs",
    "serving/protocols/jobs/documents.py": "tests/serving/protocols/jobs/test_routes.py: documents as callers get them",
    "serving/runtime/overview.py": "tests/serving/runtime/test_service.py: what the service states of its models",
    "serving/runtime/request.py": "tests/serving/runtime/test_service.py: requests as the service takes them",
    "training/contact_sheet.py": "tests/training/test_log.py: sheets of a run",
    "training/crops.py": "tests/training/test_schedule.py: crops of the epochs",
    "training/diagnosis.py": "tests/training/test_loop.py: runs that become not finite",
    "training/dry_run.py": "tests/training/test_log.py: what a run says before it starts",
    "training/losses.py": "tests/training/test_training.py: losses by hand",
    "training/networks/base.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/bisenet.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/build.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/efficientnet_lite.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/frozen_encoder.py": "tests/training/test_prompt_task.py: cut, run and refused in runs",
    "training/networks/heads.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/light_decoder.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/networks/prompt_decoder.py": "tests/training/test_prompt_task.py: trained, exported and compared",
    "training/networks/resnet.py": "tests/training/networks/test_networks.py: the same for all networks",
    "training/onnx_export.py": "tests/training/networks/test_networks.py: every network exported and compared",
    "training/prompt_export.py": "tests/training/test_prompt_task.py: exported with its proof",
    "training/prompt_publish.py": "tests/training/test_prompt_task.py: a run becomes a model",
    "training/publish.py": "tests/training/test_run_export.py: published runs",
    "training/recipe.py": "tests/training/test_training.py: recipes that cannot be",
    "training/tasks.py": "tests/training/test_schedule.py: the task of a recipe opened and planned",
    "training/training_task.py": "tests/training/test_prompt_task.py: prompts offer what the loop asks for",
}


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


def _fields(node: ast.ClassDef) -> int:
    """How many fields a data class or a Struct has; 0 for another class."""
    marks = [*node.decorator_list, *node.bases]
    if not any("dataclass" in ast.unparse(mark) or "Struct" in ast.unparse(mark) for mark in marks):
        return 0
    return sum(isinstance(inner, ast.AnnAssign) for inner in node.body)


def test_large_data_classes_are_made_by_keywords_and_list_their_attributes() -> None:
    for path in MODULES.values():
        place = path.relative_to(ROOT)
        for node in ast.walk(ast.parse(path.read_text())):
            if place.parts[0] in FINISHED and isinstance(node, ast.ClassDef) and _fields(node) > FEW_FIELDS:
                head = " ".join(ast.unparse(mark) for mark in (*node.decorator_list, *node.keywords))
                assert "kw_only=True" in head, f"{place}: {node.name}"
                assert "Attributes:" in (ast.get_docstring(node) or ""), f"{place}: {node.name}"


def test_every_module_has_a_test_of_its_name_or_one_that_runs_it() -> None:
    places = [path.relative_to(ROOT) for path in MODULES.values() if path.name != "__init__.py"]
    bare = {p.as_posix() for p in places if not (TESTS / p.parent / f"test_{p.stem}.py").is_file()}
    assert bare == set(TESTED_BY), f"without test: {bare - set(TESTED_BY)}; no longer: {set(TESTED_BY) - bare}"
    for test in TESTED_BY.values():
        assert (TESTS.parent / test.split(":")[0]).is_file(), test


def test_the_words_are_those_of_the_field() -> None:
    """What newcomers would have to learn first: names that only this project had."""
    private = re.compile(r"\b(desk|doors?|wish(es)?|heed|intake|(the|our|whole|serving) road)\b", re.IGNORECASE)
    pages = [
        *(ROOT.parents[1] / "docs").rglob("*.md"),
        ROOT.parents[1] / "README.md",
        ROOT.parents[1] / "CONTRIBUTING.md",
    ]
    found = [
        f"{path.name}: {line.strip()}"
        for path in [*MODULES.values(), *pages]
        for line in path.read_text().splitlines()
        if private.search(line)
    ]
    assert not found, "\n".join(found)
