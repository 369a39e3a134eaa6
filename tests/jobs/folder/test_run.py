"""Whole runs, stopped at any moment: what they leave is what an undisturbed one leaves."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from maskery.core.errors import ConfigError, OutputError
from maskery.core.settings import Settings
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.folder.answers import PictureAnswerer
from maskery.jobs.folder.listing import ListedPicture, PictureListing, Shard
from maskery.jobs.folder.places import LocalPlace
from maskery.jobs.folder.result_lines import Line
from maskery.jobs.folder.run import ALL, FolderRun, RunState, expect_same_run, in_threads, opened, run_once
from tests.material import photo
from tests.serving.protocols.other_model import quick


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(quick(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    whole = Image.fromarray(photo("astronaut"))
    for i in range(60):
        path = folder / f"{'ab'[i % 2]}/{i:03}.jpg"
        path.parent.mkdir(exist_ok=True)
        whole.crop((i, i, 200 + 3 * i, 300)).resize((48, 36)).save(path)
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    return folder


def answerer_of(model: str, source: Path, target: Path, formats: tuple[str, ...] = ("mask", "json")) -> PictureAnswerer:
    options = AnswerOptions(model=model, formats=formats, options={})
    return PictureAnswerer(Settings(threads=1), options, LocalPlace(source), LocalPlace(target))


def segment(
    answerer: PictureAnswerer,
    source: Path,
    target: Path,
    shard: Shard = ALL,
    since: int = 0,
) -> RunState:
    run = FolderRun(source=LocalPlace(source), target=LocalPlace(target), shard=shard, since=since)
    with PictureListing() as listing:
        lines = opened(run, listing)
        try:
            return run_once(run, listing, lines, in_threads(answerer, 2), lambda state: None)
        finally:
            lines.close()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(model: str, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    target = tmp_path_factory.mktemp("undisturbed")
    state = segment(answerer_of(model, pictures, target), pictures, target)
    assert (state.done, state.failed, state.before) == (61, 1, 0)
    found = content(target)
    assert len(found) == 2 * 60 + 1
    return found


def test_a_second_run_has_nothing_to_do(
    model: str, pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    answerer = answerer_of(model, pictures, tmp_path)
    segment(answerer, pictures, tmp_path)
    state = segment(answerer, pictures, tmp_path)
    assert (state.done, state.before, state.failed_before) == (0, 61, 1)
    assert content(tmp_path) == undisturbed


PROGRAM = """
import sys
from maskery.cli.main import main
sys.argv = ["maskery", "folder", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
def test_ten_kills_leave_what_an_undisturbed_run_leaves(
    model: str, pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(pictures), str(tmp_path / "out"), "--model", model]
    command += ["--format", "mask", "--format", "json", "--workers", "2"]
    rng, kills, seen = random.Random(5), 0, [0]
    while kills < 10:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"MASKERY_OFFLINE": "true"})
        results = tmp_path / "out" / "results.jsonl"
        until = seen[-1] + rng.randint(1, 5)
        while process.poll() is None and (results.read_bytes().count(b"\n") if results.exists() else 0) < until:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        assert process.poll() is None, "the run ended before it was killed ten times"
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        kills += 1
        seen.append(results.read_bytes().count(b"\n"))
    assert seen == sorted(seen)
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1  # one picture is broken
    assert f"{seen[-1]} were done before" in done.stderr.replace(" (1 of them failed)", "")
    left = content(tmp_path / "out")
    assert left.pop("run.json")
    assert {name: data for name, data in left.items() if not name.endswith(".partial")} == undisturbed


def test_shards_together_are_the_whole(
    model: str, pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    answerer = answerer_of(model, pictures, tmp_path)
    done = [segment(answerer, pictures, tmp_path, Shard(i, 3)).done for i in range(3)]
    assert sum(done) == 61
    assert min(done) > 5
    found = content(tmp_path)
    lines = [line for i in range(3) for line in found.pop(f"results-{i}-of-3.jsonl").splitlines()]
    assert sorted(lines) == sorted(undisturbed["results.jsonl"].splitlines())
    assert found == {name: data for name, data in undisturbed.items() if name != "results.jsonl"}


def test_a_changed_picture_is_answered_again(model: str, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, size in (("a.png", 20), ("b.png", 30)):
        Image.new("RGB", (size, size)).save(source / name)
    answerer = answerer_of(model, source, target)
    assert segment(answerer, source, target).done == 2
    Image.new("RGB", (41, 40)).save(source / "a.png")
    state = segment(answerer, source, target)
    assert (state.done, state.before) == (1, 1)
    with Image.open(target / "a-mask.png") as mask:
        assert mask.size == (41, 40)


def test_only_pictures_of_late(model: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name, modified in (("old.png", 1_000), ("new.png", 2_000)):
        Image.new("RGB", (20, 20)).save(source / name)
        os.utime(source / name, (modified, modified))
    answerer = answerer_of(model, source, tmp_path / "out", ("mask",))
    assert segment(answerer, source, tmp_path / "out", since=1_500).done == 1
    assert (tmp_path / "out" / "new-mask.png").exists()
    assert not (tmp_path / "out" / "old-mask.png").exists()


def test_another_run_s_folder_is_refused(model: str, pictures: Path, tmp_path: Path) -> None:
    target = LocalPlace(tmp_path)
    first, other = (AnswerOptions(model=model, formats=formats, options={}) for formats in (("mask",), ("json",)))
    answerer = answerer_of(model, pictures, tmp_path)
    expect_same_run(target, first, answerer)
    expect_same_run(target, first, answerer)
    with pytest.raises(ConfigError, match=r"formats was \['mask'\], is \['json'\]"):
        expect_same_run(target, other, answerer)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        expect_same_run(target, first, answerer)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    model: str, pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = answerer_of(model, pictures, tmp_path)
    write, count = LocalPlace.write, 0

    def full(self: LocalPlace, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count > 20:
            raise OutputError("No space left.", "Free some.")
        write(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "write", full)
        with pytest.raises(OutputError):
            segment(answerer, pictures, tmp_path)
    state = segment(answerer, pictures, tmp_path)
    assert state.before + state.done == 61
    assert state.before > 3
    assert content(tmp_path) == undisturbed


def test_pictures_are_taken_only_as_they_are_needed(model: str, pictures: Path, tmp_path: Path) -> None:
    taken: list[ListedPicture] = []
    run = FolderRun(source=LocalPlace(pictures), target=LocalPlace(tmp_path))
    with PictureListing() as listing:
        listing.fill(run.source.files())

        def watched() -> object:
            for listed in listing.waiting(Shard()):
                taken.append(listed)
                yield listed

        answering = in_threads(answerer_of(model, pictures, tmp_path), 2)(watched())  # type: ignore[arg-type]
        first: Line = next(answering)
        assert first["picture"] == "a/000.jpg"
        assert len(taken) <= 4
        answering.close()  # type: ignore[attr-defined]
