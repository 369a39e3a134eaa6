"""What /v1/interact is sent: the same by JSON, by a form and by a query; and what is refused."""

import json
from typing import Any

import pytest
from starlette.requests import Request

from maskery.core.errors import BadRequest
from maskery.core.prompt import Click
from maskery.core.settings import Settings
from maskery.serving.protocols.native.interact_request import InteractRequest, read

SETTINGS = Settings()
PICTURE = b"\x89PNG not looked at here"


async def asked(body: bytes, query: str = "", content_type: str = "") -> InteractRequest:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())] if content_type else []
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": query.encode(), "headers": headers}
    return await read(Request(scope, receive), SETTINGS)


def form(**fields: str) -> tuple[bytes, str]:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    file = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return "".join(parts).encode() + file.encode() + PICTURE + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


async def by_json(**keys: Any) -> InteractRequest:
    return await asked(json.dumps({"image": {"base64": "AAAA"}} | keys).encode())


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_all_ways_say_the_same() -> None:
    previous = {"size": [4, 5], "counts": "5220003"}
    texts = {"points": "[[1,2],[3,4]]", "labels": "[1,0]", "box": "[5,6,1,2]", "candidates": "3"}
    body, kind = form(**texts, previous=json.dumps(previous))
    ways = [
        await by_json(points=[[1, 2, 1], [3, 4, 0]], box=[5, 6, 1, 2], candidates=3, previous=previous),
        await by_json(points=[[1, 2], [3, 4]], labels=[1, 0], box=[5, 6, 1, 2], candidates=3, previous=previous),
        await asked(PICTURE, f"points=1,2;3,4,-&box=5,6,1,2&candidates=3&previous={json.dumps(previous)}"),
        await asked(body, "", kind),
    ]
    for one in ways:
        assert one.prompt == ways[0].prompt
        assert (one.model, one.format, one.candidates) == ("prompt", "json", 3)
    prompt = ways[0].prompt
    assert prompt.clicks == (Click(1, 2), Click(3, 4, positive=False))
    assert prompt.box_xyxy == (1, 2, 5, 6)
    assert prompt.previous is not None
    assert prompt.previous.picture_wh == (5, 4)
    assert ways[2].picture == ways[3].picture == PICTURE


async def test_a_picture_by_its_address_and_nothing_to_point_at() -> None:
    one = await asked(b'{"url": "https://example.org/a.jpg"}')
    other = await asked(b"", "url=https://example.org/a.jpg&points=")
    assert one == other
    assert one.prompt.empty


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"points": [[1, 2, 3]]}, "neither 0 nor 1"),
        ({"points": [[1, 2, 1], [3, 4]]}, "Some points have labels"),
        ({"points": [[1, 2, 1]], "labels": [1]}, "Some points have labels"),
        ({"points": [[1, 2]], "labels": [2]}, "neither 0 nor 1"),
        ({"points": [[1]]}, "2 finite numbers"),
        ({"points": [[1, 1]] * 10_000}, "10,000 points"),
        ({"box": [1, 2, 3]}, "4 finite"),
        ({"candidates": 0}, "candidates is 0"),
        ({"candidates": 2, "format": "png"}, "one mask"),
        ({"format": "pgn"}, "Did you mean 'png'"),
        ({"previous": {"size": [4, 5], "counts": "?"}}, "previous mask"),
        ({"previous": "abc"}, "previous"),
        ({"url": "https://example.org/a.jpg"}, "both of image and url"),
        ({"image": {}}, "url and base64"),
        ({"point": [[1, 2]]}, "points"),
        ({"options": {"depth": 16}}, "Unknown parameter 'depth'"),
        ({"options": {"model": "prompt"}}, "Unknown parameter 'model'"),
        ({"format": "coco", "options": {"min_area": "x"}}, "min_area"),
    ],
)
async def test_what_json_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await by_json(**keys)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("points=1", "The point is"),
        ("points=1,2&points=3,4", "given twice"),
        ("point=1,2", "Did you mean 'points'"),
        ("points=[[1,2", "points is not as it should be"),
        ("candidates=many", "candidates is"),
        ("previous={}", "previous"),
        ("url=https://example.org/a.jpg", "a picture and an address"),
    ],
)
async def test_what_queries_are_refused(query: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await asked(PICTURE, query)
    assert said in str(refused.value)


async def test_json_with_a_query_and_no_picture_at_all_are_refused() -> None:
    with pytest.raises(BadRequest, match="JSON and a query"):
        await asked(b'{"url": "https://example.org/a.jpg"}', "points=1,2")
    with pytest.raises(BadRequest, match="no picture"):
        await asked(b"", "points=1,2")
