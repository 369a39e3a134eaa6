"""Clicks and boxes sent to a real server: the answers of the local call, from Python and from the command line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import maskery
from maskery.cli.main import cli
from maskery.core.errors import BadRequest, UnknownModel
from maskery.core.result.prompted import PromptResult
from maskery.integrations.client import AsyncClient, Client
from maskery.integrations.prompt_query import multipart
from maskery.models.prompt_session import PromptSession
from tests.inference.prompts.toy_prompt import scene, write_toy
from tests.serving.live import Server

PICTURE = scene((120, 90), (41, 22, 83, 61))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"), "prompt")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    server = Server("--model", str(folder))
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def session(folder: Path) -> PromptSession:
    return maskery.load(str(folder)).session(PICTURE, candidates=3)


def expect_same(mine: maskery.Segmentation, other: maskery.Segmentation) -> None:
    one, two = mine.result, other.result
    assert isinstance(one, PromptResult)
    assert isinstance(two, PromptResult)
    assert (one.meta.labels, one.meta.frame, one.meta.model) == (two.meta.labels, two.meta.frame, two.meta.model)
    assert len(one.instances) == len(two.instances) > 0
    for a, b in zip(one.instances, two.instances, strict=True):
        assert replace(a, mask=None).__dict__ == replace(b, mask=None).__dict__
        assert a.mask is not None
        assert b.mask is not None
        np.testing.assert_array_equal(a.mask.counts, b.mask.counts)
    np.testing.assert_array_equal(mine.class_map, other.class_map)


def test_the_answers_are_those_of_the_local_session(url: str, session: PromptSession) -> None:
    with Client(url) as client:
        expect_same(client.interact(PICTURE, [(60, 40)], candidates=3), session.click(60, 40))
        both = client.interact(PICTURE, [(60, 40), (45, 25)], [True, False], candidates=3)
        expect_same(both, session.click(45, 25, positive=False))
        boxed = client.interact(PICTURE, [(60, 40), (45, 25)], [True, False], (80, 60, 40, 20), candidates=3)
        expect_same(boxed, session.box(40, 20, 80, 60))
        assert isinstance(both.result, PromptResult)
        hinted = client.interact(PICTURE, [(60, 40)], previous=both.result.best, candidates=3)
        assert isinstance(hinted.result, PromptResult)
        assert len(hinted.result.instances) == 3


def test_the_errors_are_those_of_the_local_call(url: str) -> None:
    with Client(url) as client:
        for points, box in (([(500, 40)], None), ([(float("nan"), 1)], None), ([], (0, 0, 0.1, 0.1))):
            with pytest.raises(BadRequest):
                client.interact(PICTURE, points, box=box)
        with pytest.raises(UnknownModel):
            client.interact(PICTURE, [(60, 40)], model="promtp")
        with pytest.raises(BadRequest, match="candidates is 9"):
            client.interact(PICTURE, [(60, 40)], candidates=9)


def test_without_blocking(url: str, session: PromptSession) -> None:
    async def ask() -> maskery.Segmentation:
        client = AsyncClient(url)
        try:
            return await client.interact(PICTURE, [(60, 40)], candidates=3)
        finally:
            await client.close()

    expect_same(anyio.run(ask), session.click(60, 40))


@pytest.mark.parametrize("format", ["mask", "coco", "svg"])
def test_the_command_line_has_the_same_bytes_from_a_server(url: str, folder: Path, tmp_path: Path, format: str) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "thing.png")
    words = ["segment", str(tmp_path / "thing.png"), "--point", "60,40", "--point", "45,25,-", "--format", format]
    local, remote = (
        CliRunner().invoke(cli, [*words, *more], standalone_mode=False)
        for more in (["--model", str(folder)], ["--server", url])
    )
    assert remote.exception is None, remote.exception
    assert remote.stdout_bytes == local.stdout_bytes != b""


def test_a_server_is_not_asked_for_tiles_of_clicks(url: str, tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "thing.png")
    words = ["segment", str(tmp_path / "thing.png"), "--point", "60,40", "--tile", "50", "--server", url]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    assert isinstance(done.exception, BadRequest)


def test_a_form_is_as_others_write_it() -> None:
    body, kind = multipart(b"\x00\r\n--", {"a": "1", "b": "zwei"})
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == 4
    assert body.endswith(b"--" + boundary + b"--\r\n")
