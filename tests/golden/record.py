"""Write the golden answers: ``python -m tests.golden.record [GROUP...]``; without names, all of them."""

import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

from tests.golden import command_line, protocols
from tests.golden.case import Case, differences
from tests.golden.models import of_formats, of_inputs, of_model
from tests.golden.workplace import BUILT_IN, MODELS, PULLED, Workplace

FOLDER = Path(__file__).parent
LIBRARIES = ("ai-edge-litert", "numpy", "onnxruntime", "pillow", "zlib-ng")

Group = Callable[[Workplace], dict[str, Case]]

GROUPS: dict[str, Group] = {
    **{f"models/{name}": partial(of_model, name=name) for name in (*BUILT_IN, *PULLED)},
    **{f"formats/{name}": partial(of_formats, name=name) for name in BUILT_IN},
    "models/inputs": of_inputs,
    "protocols/native": protocols.of_native,
    "protocols/max": protocols.of_max,
    "protocols/hugging-face": protocols.of_hugging_face,
    "protocols/label-studio": protocols.of_label_studio,
    "protocols/open-inference": protocols.of_open_inference,
    "protocols/loading": protocols.of_loading,
    "protocols/rembg": protocols.of_rembg,
    "protocols/foregrounds": protocols.of_foregrounds,
    "openapi/document": protocols.of_openapi,
    "cli/writes": command_line.of_writes,
    "cli/mistakes": command_line.of_mistakes,
}
NEEDS_MIRROR = {*(f"models/{name}" for name in PULLED), "protocols/foregrounds"}


def fingerprint() -> dict[str, str]:
    """The processor and the libraries whose numbers and bytes the answers are."""
    cpu = "".join(sorted(set(re.findall(r"(?m)^(?:model name|model|stepping|flags)\s*:.*$", _cpuinfo()))))
    found = {"cpu": f"{platform.machine()} {hashlib.sha256(cpu.encode()).hexdigest()[:12]}"}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def recorded(group: str) -> tuple[dict[str, str], dict[str, Case]]:
    """The fingerprint and the cases of ``group`` as recorded; of a group that never was, none."""
    file, content = _file(group), {}
    if file.exists():
        content = json.loads(file.read_text())
    return content.get("fingerprint", {}), content.get("groups", {}).get(group, {})


def is_exact(group: str) -> bool:
    """Whether bytes must be equal: processor and libraries are those of the recording."""
    return recorded(group)[0] == fingerprint()


def compared(group: str, found: Mapping[str, Case]) -> list[str]:
    """All differences between ``found`` and what was recorded."""
    _, old = recorded(group)
    exact = is_exact(group)
    lines = []
    for name in sorted({*old, *found}):
        lines += differences(f"{group}: {name}", old.get(name), found.get(name), exact)
    return lines


def main(names: list[str]) -> None:
    wanted = [group for group in GROUPS if not names or any(name in group for name in names)]
    if not MODELS.exists() and NEEDS_MIRROR & {*wanted}:
        sys.exit(f"The models' mirror {MODELS} is not here: answers of pulled models cannot be recorded.")
    with tempfile.TemporaryDirectory() as folder, Workplace(Path(folder)) as place:
        for group in wanted:
            found = plain(GROUPS[group](place))
            changed = compared(group, found)
            lines = [line for line in changed if not line.endswith("not recorded")]
            head = f"{group}: {len(found)} answers, {len(changed)} differences"
            sys.stdout.write("\n  ".join([head, *lines]) + "\n")
            _write(group, found)


def plain(cases: dict[str, Case]) -> dict[str, Case]:
    """The cases as they are read back."""
    found: dict[str, Case] = json.loads(json.dumps(cases))
    return found


def _write(group: str, cases: Mapping[str, Case]) -> None:
    file, groups = _file(group), {}
    if file.exists():
        groups = json.loads(file.read_text())["groups"]
    groups[group] = cases
    text = [f'{{"fingerprint": {json.dumps(fingerprint())},\n"groups": {{\n']
    texts = []
    for name in sorted(groups):
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(case)}" for key, case in sorted(groups[name].items()))
        texts.append(f"{json.dumps(name)}: {{\n{lines}\n}}")
    file.write_text("".join([*text, ",\n".join(texts), "\n}}\n"]))


def _file(group: str) -> Path:
    return FOLDER / f"{group.split('/')[0]}.json"


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else platform.processor()


if __name__ == "__main__":
    main(sys.argv[1:])
