"""One picture -> its answers in several formats and its line of results: the work of one worker, wherever it runs."""

import logging
from dataclasses import replace
from typing import Any

import msgspec

from maskery.core.errors import BadRequest, MaskeryError, OutputError, TooLarge, nearest
from maskery.core.picture import decode
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.capabilities import Result
from maskery.core.settings import Settings
from maskery.encode.annotations.coco import encode_coco
from maskery.encode.json import summary
from maskery.encode.options import Options, from_text
from maskery.encode.registry import encode, find, named, wanted_maps
from maskery.inference.pipeline import Model, check
from maskery.inference.source import photo_of
from maskery.inference.tasks.registry import task_of
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.folder.listing import ListedPicture, stem_of
from maskery.jobs.folder.places import Place
from maskery.jobs.folder.result_lines import Line
from maskery.models.loading import ModelLoader

log = logging.getLogger("maskery")

OWN_NAME = frozenset({"yolo", "labelme"})
"""Formats whose files must have the picture's own name."""
LEFT_OUT = ("software", "model", "frame", "plan", "timings_ms")
"""Of a summary: what is the same for all pictures, or another in each run."""


class PictureAnswerer:
    """A loaded model that answers pictures of one place with files of another. Thread-safe.

    Raises ``BadRequest`` for options that the model or the formats do not have, and as ``ModelLoader.open``.
    """

    def __init__(self, settings: Settings, options: AnswerOptions, source: Place, target: Place) -> None:
        loader = ModelLoader(settings)
        self._settings, self._options, self._source, self._target = settings, options, source, target
        located = loader.locate(options.model)
        task = task_of(located.card)
        encoders = [find(name, task) for name in options.formats]
        for name in options.options:
            known = sorted({option for encoder in encoders for option in encoder.options})
            if name not in known:
                raise BadRequest(f"None of the formats has an option {name!r}.", nearest(name, known))
        self._by_format = {
            encoder.name: from_text({k: v for k, v in options.options.items() if k in encoder.options})
            for encoder in encoders
        }
        maps = dict.fromkeys(m for name, chosen in self._by_format.items() for m in wanted_maps(name, chosen))
        self._run_options = RunOptions(
            classes=options.classes, max_side=options.max_side, maps=tuple(maps), tile=options.tile
        )
        check(self._run_options, located.card)
        if options.coco:
            find("coco", task)
        self._demand = Demand(
            photo=any(encoder.needs_photo for encoder in encoders),
            bands=all(encoder.bands for encoder in encoders) and not options.coco,
            held=max((encoder.held for encoder in encoders), default=2.0),
            shown=max((encoder.shown for encoder in encoders), default=0.0),
        )
        self.model: Model = loader.open(located)

    def line(self, listed: ListedPicture) -> Line:
        """Answer one picture and say what came of it; one that fails does not stop the others.

        Raises ``OutputError``: where answers cannot be written, none of the others can.
        """
        file = listed.file
        line: Line = {"picture": file.name, "bytes": file.bytes, "modified": file.modified}
        try:
            if listed.twin:
                raise BadRequest(f"Its answers would replace those of {listed.twin}.", "Rename one of the two.")
            if file.bytes > self._settings.max_bytes:
                cure = "Make it smaller, or raise MASKERY_MAX_BYTES."
                raise TooLarge(f"It has {file.bytes:,} bytes; {self._settings.max_bytes:,} are read.", cure)
            return line | {"status": "ok"} | self._answered(file.name)
        except OutputError:
            raise
        except MaskeryError as error:
            return line | {"status": "failed", "code": error.code, "error": error.message, "cure": error.cure}
        except Exception as error:  # a fault of ours, or memory that is not there: the other pictures go on
            log.exception("%s failed", file.name)
            words = f"{type(error).__name__}: {error}"
            return line | {"status": "failed", "code": "internal-error", "error": words, "cure": "Please report it."}

    def _answered(self, name: str) -> Line:
        limits = self._settings
        picture = decode.open_picture(self._source.read(name), max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
        plan = self.model.plan(picture, self._run_options, self._demand)
        result = _without_times(self.model.follow(plan, picture))
        outputs = []
        for format, chosen in self._by_format.items():
            data = encode(result, format, photo_of(picture, plan), _named(chosen, format, name))
            outputs.append(output_name(name, format))
            self._target.write(outputs[-1], data)
        found = {key: value for key, value in summary(result).items() if key not in LEFT_OUT}
        width, height = result.meta.frame.original_wh
        line: Line = {"width": width, "height": height, "outputs": outputs} | found
        if self._options.coco:
            document: dict[str, Any] = msgspec.json.decode(encode_coco(result, Options()))
            line["annotations"] = [_without_ids(one) for one in document["annotations"]]
        return line


def output_name(name: str, format: str) -> str:
    """The name of the answer to the picture ``name``: "a/b.jpg" -> "a/b-mask.png"."""
    return f"{stem_of(name)}{'' if format in OWN_NAME else f'-{format}'}{named(format).suffix}"


def _named(options: Options, format: str, name: str) -> Options:
    """Formats that name the picture get its name."""
    unnamed = "file_name" in named(format).options and "file_name" not in options.given
    return replace(options, file_name=name.rpartition("/")[2]) if unnamed else options


def _without_times(result: Result) -> Result:
    """The same in each run."""
    changed: Result = replace(result, meta=replace(result.meta, timings_ms={}))  # type: ignore[type-var]
    return changed


def _without_ids(annotation: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in annotation.items() if key not in ("id", "image_id")}
