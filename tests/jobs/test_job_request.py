"""What a job is asked: read strictly, checked before any work."""

import pytest

from maskery.core.errors import BadRequest
from maskery.jobs.job_request import JobRequest, parse_request
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin

CARD = load_card(builtin()["everyday"] / "model.toml")


def check(text: str) -> JobRequest:
    request = parse_request(text.encode())
    assert request.model is None
    request.check(CARD, 80_000_000)
    return request


def test_nothing_is_a_job_on_pictures() -> None:
    request = check("")
    assert (request.kind, request.pictures().formats, request.model) == ("pictures", ("mask",), None)


def test_options_of_both_kinds() -> None:
    pictures = check('{"options": {"formats": ["mask", "polygons"], "options": {"tolerance": "2"}, "collect": "coco"}}')
    options = pictures.pictures().answer_options("everyday")
    assert (options.formats, options.options, options.coco) == (("mask", "polygons"), {"tolerance": "2"}, True)
    video = check('{"kind": "video", "options": {"formats": ["webm", "csv"], "lines": ["a=0,0,9,9"], "every": 2}}')
    assert (video.video().every, video.video().lines) == (2, ("a=0,0,9,9",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "understood"),
        ("{", "understood"),
        ('{"kind": "sound"}', "understood"),
        ('{"knd": "video"}', "knd"),
        ('{"options": {"format": "mask"}}', "formats"),
        ('{"options": {"formats": "mask"}}', "options of the job"),
        ('{"options": {"formats": []}}', "empty"),
        ('{"options": {"formats": ["nonsense"]}}', "nonsense"),
        ('{"options": {"options": {"tolerance": "2"}}}', "tolerance"),
        ('{"options": {"formats": ["polygons"], "options": {"tolerance": "much"}}}', "much"),
        ('{"options": {"classes": ["dragon"]}}', "dragon"),
        ('{"options": {"max_side": 0}}', "max_side"),
        ('{"options": {"collect": "parquet"}}', "collect"),
        ('{"options": {"model": 5}}', "model"),
        ('{"kind": "video", "options": {"styl": "blur"}}', "style"),
        ('{"kind": "video", "options": {"style": "nonsense"}}', "nonsense"),
        ('{"kind": "video", "options": {"lines": ["a"]}}', "a"),
        ('{"kind": "video", "options": {"classes": ["dragon"]}}', "dragon"),
    ],
)
def test_what_cannot_be_done_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        check(text)
    assert caught.value.cure
