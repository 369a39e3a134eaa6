"""Build wheel and sdist twice, compare, look inside, try them in empty environments, write SBOM, licences and sums.

Run by `make dist`, from the repository. RELEASE_KEY, a private SSH key, signs the sums.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
LARGEST_WHEEL = 60_000_000
NEVER = re.compile(
    r"(^|/)(shared|\.venv|\.bench-venv|\.bento-venv|__pycache__|runs|node_modules)(/|$)|\.(pt|pth|pem|key)$"
)
PUBLIC = re.compile(r"^tests/.*example\.pem$")
NEEDED = (
    "maskery/py.typed",
    "maskery/serving/web/index.html",
    "maskery/serving/web/samples/NOTICE.md",
    "maskery/models/check.jpg",
    "maskery/packaging/templates/docker/Dockerfile",
)
TRY = "import maskery, sys; print(maskery.load().segment(sys.argv[1]).summary()['classes'][0]['name'])"


def build(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of wheel and sdist, built from what git has, at the time of its last commit."""
    stamp = git("log", "-1", "--format=%ct").strip()
    source = folder / "source"
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x"], cwd=source, input=archive, check=True)
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "out")]
    environment = os.environ | {"SOURCE_DATE_EPOCH": stamp, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def faults_of_wheel(path: Path) -> list[str]:
    """What is missing, damaged, or should not be inside."""
    faults = [] if path.stat().st_size <= LARGEST_WHEEL else [f"{path.name} is larger than {LARGEST_WHEEL} bytes"]
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        faults += [f"{name} is missing" for name in NEEDED if name not in names]
        faults += [f"{name} does not belong there" for name in names if NEVER.search(name)]
        if not any(name.endswith("licenses/LICENSE") for name in names):
            faults.append("LICENSE is missing")
        for card in (name for name in names if name.endswith("model.toml") and "/builtin/" in name):
            text = archive.read(card).decode()
            for file, sums in re.findall(r'^file = "(.+)"\nsha256 = "(.+)"', text, re.MULTILINE):
                weights = card.replace("model.toml", file)
                if weights not in names or hashlib.sha256(archive.read(weights)).hexdigest() != sums:
                    faults.append(f"{weights} is missing or not that of its card")
    return faults


def faults_of_sdist(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    faults = [f"{name} is missing" for name in ("pyproject.toml", "LICENSE", "CHANGELOG.md") if name not in names]
    return faults + [f"{n} does not belong there" for n in names if NEVER.search(n) and not PUBLIC.search(n)]


def pythons() -> list[str]:
    """The oldest and the newest interpreter at hand that Maskery supports."""
    found = {}
    for minor in range(11, 20):
        name = f"python3.{minor}"
        if (
            shutil.which(name)
            and subprocess.run([name, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0
        ):
            found[minor] = name
    ordered = [found[minor] for minor in sorted(found)]
    return list(dict.fromkeys([*ordered[:1], *ordered[-1:]])) or [sys.executable]


def tried(wheel: Path, python: str, folder: Path) -> str:
    """Install it alone into an empty environment and use it; what it saw in the sample."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", str(wheel)], check=True)
    sample = ROOT / "src" / "maskery" / "serving" / "web" / "samples" / "chelsea.jpg"
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    subprocess.run(
        [folder / "bin" / "maskery", "models", "verify"], cwd=folder, env=clean, check=True, capture_output=True
    )
    subprocess.run([folder / "bin" / "maskery", "doctor"], cwd=folder, env=clean, check=True, capture_output=True)
    command = [folder / "bin" / "python", "-c", TRY, str(sample)]
    return subprocess.run(command, cwd=folder, env=clean, check=True, capture_output=True, text=True).stdout.strip()


def papers(folder: Path) -> None:
    """SBOM and licences, of what is installed beside Maskery here."""
    from maskery.models.card_toml import load_card
    from maskery.models.catalog import builtin, catalog
    from maskery.packaging.sbom import bill_of_materials, licence_report
    from maskery.packaging.wheels import closure

    cards = [load_card(path / "model.toml") for path in builtin().values()]
    bill = bill_of_materials(closure(), cards)
    (folder / "sbom.cdx.json").write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "LICENCES.md").write_text(licence_report(closure(), [*cards, *catalog().values()]), encoding="utf-8")


def sign(folder: Path) -> None:
    names = sorted(path for path in folder.iterdir() if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in names]
    (folder / "SHA256SUMS").write_text("".join(lines))
    if key := os.environ.get("RELEASE_KEY"):
        subprocess.run(["ssh-keygen", "-Y", "sign", "-f", key, "-n", "maskery", str(folder / "SHA256SUMS")], check=True)
    else:
        print("not signed: RELEASE_KEY is not set")  # noqa: T201


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        first, second = (build(Path(temporary) / name) for name in ("first", "second"))
        if first != second:
            sys.exit(f"not reproducible: {[name for name in first if first[name] != second.get(name)]}")
        shutil.rmtree(DIST, ignore_errors=True)
        DIST.mkdir()
        for name, data in first.items():
            (DIST / name).write_bytes(data)
        (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
        if faults := faults_of_wheel(wheel) + faults_of_sdist(sdist):
            sys.exit("\n".join(faults))
        for python in pythons() if "--untried" not in sys.argv else []:
            print(f"{python}: sees a {tried(wheel, python, Path(temporary) / python)}")  # noqa: T201
        papers(DIST)
        sign(DIST)
    for path in sorted(DIST.iterdir()):
        print(f"{path.stat().st_size:>12,}  {path.relative_to(ROOT)}")  # noqa: T201


if __name__ == "__main__":
    main()
