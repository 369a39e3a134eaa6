"""What is pointed at in a picture, as the request that a server is sent."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from maskery.core.picture.decode import Picture
from maskery.core.prompt import Prompt
from maskery.core.result.instances import CropMask
from maskery.encode.annotations.coco_counts import crop_rle
from maskery.encode.options import PLAIN_OPTIONS, Options
from maskery.inference.prompts.prompt_input import check_candidates, fitted, prompt_of
from maskery.integrations.exchange import Call


@dataclass(frozen=True, kw_only=True)
class PromptQuery:
    """What may be asked of POST /v1/interact.

    Attributes:
        prompt: Clicks and a box.
        previous: The mask that they correct; None = their own answers one after the other.
        candidates: Masks at most, best first.
        model: A name of ``models()``; None = ``prompt``.
        options: Of the format.
    """

    prompt: Prompt
    previous: CropMask | None = None
    candidates: int = 1
    model: str | None = None
    options: Options = PLAIN_OPTIONS

    def call(self, picture: Picture, format: str, file: bytes) -> Call:
        """The request. Raises ``BadRequest`` for what does not fit the picture, whose ``file`` is sent."""
        prompt = fitted(self.prompt, picture.size_wh)
        points = [[click.x, click.y, int(click.positive)] for click in prompt.clicks]
        given = {
            "format": format,
            "model": self.model,
            "points": msgspec.json.encode(points).decode() if points else None,
            "box": ",".join(map(str, prompt.box_xyxy)) if prompt.box_xyxy else None,
            "previous": _text(self.previous, picture.size_wh) if self.previous else None,
            "candidates": str(self.candidates),
        }
        fields = {name: text for name, text in given.items() if text is not None} | self.options.texts()
        body, kind = multipart(file, fields)
        return Call(verb="POST", path="v1/interact", body=body, kind=kind)


def prompt_query(
    points: Sequence[Sequence[float]] = (),
    labels: Sequence[bool] | None = None,
    box: Sequence[float] | None = None,
    *,
    previous: CropMask | None = None,
    candidates: int = 1,
    model: str | None = None,
) -> PromptQuery:
    """The query whose answer holds all that a result is. Raises ``BadRequest`` as ``prompt_of`` does."""
    return PromptQuery(
        prompt=prompt_of(points, labels, box),
        previous=previous,
        candidates=check_candidates(candidates),
        model=model,
        options=Options(details=True),
    )


def multipart(file: bytes, fields: Mapping[str, str]) -> tuple[bytes, str]:
    """A form of a file ``image`` and text fields: its bytes and their media type."""
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Disposition: form-data; name="
    texts = "".join(f'{head}"{name}"\r\n\r\n{text}\r\n' for name, text in fields.items())
    start = f'{texts}{head}"image"; filename="image"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return start.encode() + file + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _text(mask: CropMask, size_wh: tuple[int, int]) -> str:
    return msgspec.json.encode(crop_rle(mask, size_wh)).decode()
