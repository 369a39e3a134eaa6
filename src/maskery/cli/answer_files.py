"""Where ``maskery segment`` reads pictures and writes answers: files, folders, globs, standard input and output."""

import glob
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from maskery.core.errors import BadRequest, OutputError
from maskery.core.files import PICTURE_SUFFIXES, is_own, writing

LINES = ("json", "summary", "polygons", "coco-rle")  # formats of which one line a picture is printed
BESIDE = ("yolo", "labelme")  # formats whose files must have the picture's own name
STDIN = STDOUT = Path("-")
NAME_BYTES = 240  # of a file's name: file systems take 255, and a file is written beside before it has its name


@dataclass(frozen=True)
class FileJob:
    """One picture: where it is and the name, without suffix, that its answer gets below the output folder."""

    source: Path
    stem: Path


Write = Callable[[FileJob, bytes], None]


def expand(inputs: tuple[str, ...]) -> list[FileJob]:
    """Files as they are, folders with all pictures below, globs. Raises ``BadRequest`` for what matches nothing.

    Hidden files and folders, and those that systems leave behind, count in no folder and no glob.
    """
    jobs: list[FileJob] = []
    for text in inputs:
        path = Path(text)
        if path == STDIN:
            jobs.append(FileJob(STDIN, Path("stdin")))
        elif path.is_dir():
            found = sorted(p for p in path.rglob("*") if _is_picture(p, path) and p.is_file())
            if not found:
                raise BadRequest(f"{text} holds no pictures.", f"Looked for {', '.join(PICTURE_SUFFIXES)}.")
            jobs += [FileJob(p, p.relative_to(path).with_suffix("")) for p in found]
        elif path.exists():
            jobs.append(FileJob(path, Path(path.stem)))
        else:
            matches = sorted(Path(p) for p in glob.glob(text, recursive=True))
            if not matches:
                raise BadRequest(f"{text} does not exist and matches nothing.", "Check the path.")
            jobs += [FileJob(p, Path(p.stem)) for p in matches if p.is_file()]
    if sum(job.source == STDIN for job in jobs) > 1:
        raise BadRequest("Standard input was named twice.", "Name it once.")
    return jobs


def _is_picture(path: Path, root: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and is_own(path, root)


def without_answers(jobs: list[FileJob], output: Path | None) -> list[FileJob]:
    """Those that are not answers, of any format, to one of the others as they are written into ``output``."""
    if output is None or len(jobs) < 2 or not output.is_dir():
        return jobs
    from maskery.encode.registry import ENCODERS

    folder = output.resolve()
    answers = {
        folder / target_of(job.stem, name, encoder.suffix)
        for job in jobs
        for name, encoder in ENCODERS.items()
        if name not in BESIDE
    }
    return [job for job in jobs if job.source.resolve() not in answers]


def target_of(stem: Path, format: str, suffix: str) -> Path:
    """The name of an answer below the output folder; what is too long for a file system is cut, and stays distinct."""
    ending = f"{'' if format in BESIDE else f'-{format}'}{suffix}"
    name = os.fsencode(stem.name)
    if len(name) + len(ending) > NAME_BYTES:
        digest = hashlib.sha256(name).hexdigest()[:8]
        kept = name[: NAME_BYTES - len(ending) - len(digest) - 1].decode("utf-8", "ignore")
        return stem.with_name(f"{kept}-{digest}{ending}")
    return stem.with_name(f"{stem.name}{ending}")


def is_folder(output: str, several: bool) -> bool:
    """Whether ``-o`` names a folder: one that is there, ends with a slash, has no suffix or a number for one."""
    path = Path(output)
    if path.exists() or path == STDOUT:
        return path.is_dir()
    return several or output.endswith(("/", os.sep)) or not path.suffix or path.suffix[1:].isdigit()


def writer(output: str | None, format: str, several: bool) -> Write:
    """Decide once where answers go. Raises ``BadRequest`` where that cannot work."""
    from maskery.encode.registry import named

    suffix = named(format).suffix
    if output is None and several and format not in LINES:
        raise BadRequest("Several pictures need a place for their masks.", "Add -o FOLDER, or --format json.")
    if output == str(STDOUT):
        if several and format not in LINES:
            raise BadRequest("Several pictures cannot go to standard output.", "Add -o FOLDER, or --format json.")
        return to_stdout
    if output is None and (several or format in LINES or sys.stdout is None or not sys.stdout.isatty()):
        return to_stdout
    if output is not None and not is_folder(output, several):
        if several:
            raise BadRequest(f"{output} is a file; several pictures need a folder.", "Give a folder.")
        return to_file(Path(output))
    folder, taken = Path(output or ""), dict[Path, Path]()

    def write(job: FileJob, data: bytes) -> None:
        target = folder / target_of(job.stem, format, suffix)
        if taken.setdefault(target, job.source) != job.source:
            raise BadRequest(f"{target} is already the answer to {taken[target]}.", "Rename one of the pictures.")
        to_file(target)(job, data)
        if output is None:
            click.echo(f"wrote {target}", err=True)

    return write


def to_stdout(job: FileJob, data: bytes) -> None:
    """Write an answer, a line of JSON with its end. Raises ``OutputError``, ``BrokenPipeError``."""
    if sys.stdout is None:
        raise OutputError("Standard output is closed.", "Add -o FILE, or leave it open.")
    with writing(Path("standard output")):
        sys.stdout.buffer.write(data + b"\n" if data.startswith(b"{") else data)
        sys.stdout.buffer.flush()


def to_file(target: Path) -> Write:
    """Write answers to this file, its folder too; what could not be written whole is not left behind."""

    def write(job: FileJob, data: bytes) -> None:
        if job.source != STDIN and target.exists() and target.samefile(job.source):
            raise BadRequest(f"{target} is the picture itself.", "Choose another -o.")
        with writing(target, "Choose another -o."):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.write_bytes(data)
            except OSError:
                if target.is_file():
                    target.unlink(missing_ok=True)
                raise

    return write
