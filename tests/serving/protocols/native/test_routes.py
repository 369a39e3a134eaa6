"""What /v1/segment takes besides one raw picture: JSON, addresses, several at once; ETags, deadlines."""

import base64
import gzip
import json
import zlib
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.errors import BadRequest
from maskery.serving.remote.fetch import Fetcher
from tests.material import decoded, encoded, photo

CAT, MAN = encoded(photo("chelsea"), "JPEG"), encoded(photo("astronaut"), "JPEG", (256, 256))
SITE = {"https://pictures.example/cat.jpg": CAT}


@pytest.fixture(autouse=True)
def _site(client: TestClient) -> None:
    async def fetch(url: str) -> bytes:
        if url not in SITE:
            raise BadRequest("Not reachable.", "Check it.")
        return SITE[url]

    client.app.state.service.fetcher = fetch  # type: ignore[attr-defined]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def mask_of(client: TestClient, data: bytes) -> bytes:
    return client.post("/v1/segment?format=mask", content=data).content


def test_json_with_base64_or_an_address_gives_what_the_raw_body_gives(client: TestClient) -> None:
    expected = mask_of(client, CAT)
    for source in (
        {"base64": text(CAT)},
        {"base64": f"data:image/jpeg;base64,{text(CAT)}"},
        {"url": f"data:image/jpeg;base64,{text(CAT)}"},
        {"url": "https://pictures.example/cat.jpg"},
    ):
        response = client.post("/v1/segment", json={"image": source, "format": "mask"})
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "image/png"
        assert response.content == expected
    by_query = client.get("/v1/segment", params={"url": "https://pictures.example/cat.jpg", "format": "mask"})
    assert by_query.content == expected
    # Curl's -d sends JSON under another name.
    unnamed = json.dumps({"image": {"base64": text(CAT)}, "format": "mask"})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/v1/segment", content=unnamed, headers=headers).content == expected


def test_parameters_in_json_are_those_of_the_query(client: TestClient) -> None:
    body = {"image": {"base64": text(CAT)}, "format": "confidence", "options": {"depth": 16}, "max_side": 128}
    by_json = client.post("/v1/segment", json=body)
    by_query = client.post("/v1/segment?format=confidence&depth=16&max_side=128", content=CAT)
    assert by_json.content == by_query.content
    kept = client.post("/v1/segment", json={"image": {"base64": text(CAT)}, "classes": ["dog"], "format": "mask"})
    assert set(np.unique(decoded(kept.content))) <= {0, 12}


def test_several_pictures_each_with_its_own_result_or_error(client: TestClient) -> None:
    sources = [
        {"base64": text(CAT), "id": "cat"},
        {"base64": text(CAT[:300]), "id": 2},
        {"url": "https://pictures.example/none.jpg"},
        {"url": "https://pictures.example/cat.jpg"},
        {"base64": "not base64!"},
    ]
    response = client.post("/v1/segment", json={"images": sources, "format": "mask"})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == [200, 400, 400, 200, 400]
    assert [result.get("id") for result in results] == ["cat", 2, None, None, None]
    assert base64.b64decode(results[0]["base64"]) == base64.b64decode(results[3]["base64"]) == mask_of(client, CAT)
    assert results[0]["media_type"] == "image/png"
    assert results[1]["problem"]["code"] == "damaged-picture"
    assert results[2]["problem"]["cure"] == "Check it."
    assert "base64" in results[4]["problem"]["detail"]


def test_several_form_fields(client: TestClient) -> None:
    files = [("image", CAT), ("image", MAN), ("image", b"broken")]
    results = client.post("/v1/segment?format=summary", files=files).json()["results"]
    assert [result["status"] for result in results] == [200, 200, 415]
    names = [{item["name"] for item in result["result"]["classes"]} for result in results[:2]]
    assert "cat" in names[0]
    assert "person" in names[1]


def many(count: int) -> dict[str, Any]:
    return {"images": [{"url": "https://pictures.example/cat.jpg"}] * count}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "neither or both of image and images"),
        ({"image": {}}, "neither or both of url and base64"),
        ({"image": {"url": "x", "base64": "y"}}, "neither or both of url and base64"),
        ({"image": {"base64": "x"}, "images": []}, "neither or both of image and images"),
        ({"images": []}, "The call has 0 pictures"),
        (many(17), "The call has 17 pictures"),
        ({"image": {"base64": ""}}, "0 bytes"),
        ({"picture": {"base64": "x"}}, "unknown key 'picture'"),
        ({"image": {"adress": "x"}}, "unknown key 'image.adress'"),
        ({"image": "x"}, "image"),
        ({"image": {"base64": "x"}, "options": {"format": "mask"}}, "'format' is no option"),
        ({"image": {"base64": "x"}, "options": {"depth": 8}}, "Unknown parameter 'depth' for the format json"),
        ({"image": {"base64": "x"}, "max_side": "large"}, "max_side"),
        ({"image": {"base64": "x"}, "format": "maks"}, "no format 'maks'"),
        ({"image": {"base64": "x"}, "model": "nothing"}, "no model 'nothing'"),
        ({"image": {"base64": "+/+*"}}, "base64"),
    ],
)
def test_wrong_json(client: TestClient, body: object, message: str) -> None:
    response = client.post("/v1/segment", json=body)
    assert response.status_code in (400, 404), response.text
    assert message in response.json()["detail"]
    assert response.json()["cure"]


def test_other_wrong_bodies(client: TestClient) -> None:
    assert "not valid JSON" in client.post("/v1/segment", content=b'{"image": ').json()["detail"]
    twice = client.post("/v1/segment?format=mask", json={"image": {"base64": "x"}, "format": "mask"})
    assert "in the query and in the JSON" in twice.json()["detail"]
    assert client.get("/v1/segment").json()["cure"].startswith("Add ?url=")
    assert "GET" in client.post("/v1/segment?url=https://pictures.example/cat.jpg").json()["cure"]
    large = {"image": {"base64": "A" * 6_000_000}}
    assert client.post("/v1/segment", json=large).status_code == 413


def test_addresses_that_are_not_public_are_refused(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    service.fetcher = Fetcher(service.settings).fetch
    response = client.get("/v1/segment?url=http://127.0.0.1:8000/cat.jpg")
    assert response.status_code == 400
    assert response.json()["code"] == "bad-url"


def test_etag(client: TestClient) -> None:
    def ask(query: str, data: bytes = CAT, **headers: str) -> httpx2.Response:
        return client.post(
            f"/v1/segment?{query}", content=data, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    first = ask("format=mask")
    etag = first.headers["etag"]
    assert ask("format=mask").headers["etag"] == etag
    others = [
        ask("format=mask", MAN),
        ask("format=color"),
        ask("format=mask&classes=cat"),
        ask("format=mask&max_side=64"),
    ]
    assert len({etag, *(response.headers["etag"] for response in others)}) == 5
    unchanged = ask("format=mask", if_none_match=f'"other", {etag}')
    assert unchanged.status_code == 412
    assert unchanged.json()["code"] == "unchanged"
    assert unchanged.headers["etag"] == etag
    assert ask("format=mask", if_none_match='"other"').status_code == 200
    url = {"url": "https://pictures.example/cat.jpg", "format": "mask"}
    assert client.get("/v1/segment", params=url).headers["etag"] == etag
    not_modified = client.get("/v1/segment", params=url, headers={"if-none-match": etag})
    assert (not_modified.status_code, not_modified.content) == (304, b"")


def test_deadline_and_server_timing(client: TestClient) -> None:
    late = client.post("/v1/segment", content=CAT, headers={"x-request-timeout": "0.0001"})
    assert late.status_code == 503
    assert int(late.headers["retry-after"]) >= 1
    assert "0.0001 seconds" in late.json()["detail"]
    for wrong in ("soon", "-1", "0", "nan", "inf"):
        response = client.post("/v1/segment", content=CAT, headers={"x-request-timeout": wrong})
        assert response.status_code == 400
    timing = client.post("/v1/segment", content=CAT, headers={"x-request-timeout": "30"}).headers["server-timing"]
    assert [part.partition(";")[0] for part in timing.split(", ")] == [
        "queue", "decode", "preprocess", "run", "postprocess", "encode",
    ]  # fmt: skip


def test_a_summary_is_near_the_exact_figures(client: TestClient) -> None:
    summary = client.post("/v1/segment?format=summary", content=CAT).json()
    exact = client.post("/v1/segment", content=CAT).json()
    assert summary["measured_on"] == {"width": 96, "height": 64}
    shares = [{item["name"]: item["share"] for item in answer["classes"]} for answer in (summary, exact)]
    for name in ("cat", "background"):
        assert abs(shares[0][name] - shares[1][name]) < 0.01
    assert sum(item["pixels"] for item in summary["classes"]) == pytest.approx(451 * 300, rel=0.001)


def test_form_fields_are_parameters(client: TestClient) -> None:
    files = {"image": ("a.jpg", CAT)}
    fields = {"format": "mask", "classes": "cat", "max_side": "128"}
    expected = client.post("/v1/segment", params=fields, content=CAT).content
    assert client.post("/v1/segment", files=files, data=fields).content == expected
    assert client.post("/v1/segment?format=mask&classes=cat", files=files, data={"max_side": "128"}).content == expected
    assert client.post("/v1/segment", files=files, data={"format": "summary"}).json()["classes"]
    for data, query, says in (
        ({"model": "nope"}, "", "no model 'nope'"),
        ({"formats": "mask"}, "", "Unknown parameter 'formats'"),
        ({"format": "mask"}, "?format=mask", "'format' was given in the query and in the form"),
        ({"format": ["mask", "mask"]}, "", "Form field 'format' was given twice"),
        ({"depth": "16"}, "", "Unknown parameter 'depth' for the format json"),
    ):
        response = client.post(f"/v1/segment{query}", files=files, data=data)
        assert response.status_code in (400, 404)
        assert says in response.json()["detail"]
    strange = client.post("/v1/segment", files=files | {"mask": ("m.png", CAT)})
    assert "The form has a file 'mask'" in strange.json()["detail"]


@pytest.mark.parametrize("head", ['name="image"', 'name="image"\r\nContent-Type: image/jpeg'])
def test_a_file_part_needs_no_file_name(client: TestClient, head: str) -> None:
    body = f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + CAT + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/segment?format=mask", content=body, headers=headers).content == mask_of(client, CAT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies_of_every_kind(client: TestClient, encoding: str) -> None:
    pack, headers = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding], {"content-encoding": encoding}
    expected = mask_of(client, CAT)
    raw = client.post("/v1/segment?format=mask", content=pack(CAT), headers=headers)
    asked = json.dumps({"image": {"base64": text(CAT)}, "format": "mask"}).encode()
    by_json = client.post("/v1/segment", content=pack(asked), headers=headers | {"content-type": "application/json"})
    form = client.build_request("POST", "/v1/segment", files={"image": CAT})
    kind = {"content-type": form.headers["content-type"]}
    by_form = client.post("/v1/segment?format=mask", content=pack(form.read()), headers=headers | kind)
    assert raw.content == by_json.content == by_form.content == expected
    assert "is no gzip data" in client.post("/v1/segment", content=CAT, headers={"content-encoding": "gzip"}).text
    bomb = pack(bytes(60_000_000))
    assert client.post("/v1/segment", content=bomb, headers=headers).status_code == 413


def test_the_other_entry_points_unpack_too(client: TestClient) -> None:
    headers = {"content-encoding": "gzip"}
    plain = client.post("/hf/everyday", content=CAT)
    assert client.post("/hf/everyday", content=gzip.compress(CAT), headers=headers).json() == plain.json()
