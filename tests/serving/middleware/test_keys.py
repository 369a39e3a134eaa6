import base64
import hmac
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.serving.middleware.keys import Keys, load_keys

ONE, TWO, WRONG = "first-key-of-many", "second-key-0123456789", "some-other-key-0123456789"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def keys() -> Keys:
    return load_keys(Settings(api_keys=(f"ann:{ONE}", f"bob:{TWO}")))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {ONE}"},
        {"authorization": f"bearer   {ONE} "},
        {"X-API-Key": ONE},
        {"Authorization": basic("anybody", ONE)},
        {"Authorization": basic("", ONE)},
        {"Authorization": f"Bearer {WRONG}", "X-API-Key": ONE},
    ],
)
def test_a_key_is_found_where_clients_put_it(keys: Keys, headers: dict[str, str]) -> None:
    assert keys.holder(Headers(headers)) == "ann"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {WRONG}"},
        {"Authorization": f"Bearer {ONE}x"},
        {"Authorization": f"Bearer {ONE[:-1]}"},
        {"Authorization": f"Bearer {ONE.upper()}"},
        {"Authorization": f"Bearer ann:{ONE}"},
        {"Authorization": ONE},
        {"Authorization": f"Token {ONE}"},
        {"Authorization": basic(ONE, "")},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic \xff"},
        {"X-API-Key": "\xff" * 20},
        {"Cookie": f"api_key={ONE}"},
    ],
)
def test_anything_else_is_nobody(keys: Keys, headers: dict[str, str]) -> None:
    assert keys.holder(Headers(headers)) is None


def test_every_key_is_compared_in_constant_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    same = hmac.compare_digest

    def counting(a: bytes, b: bytes) -> bool:
        compared.append(len(a))
        return same(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for key in (ONE, TWO, WRONG, "x"):
        compared.clear()
        keys.holder(Headers({"X-API-Key": key}))
        assert compared == [32, 32]


def test_keys_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# who may come in\n\n  carl:{ONE}  \n{TWO}\n# old:{WRONG}\n")
    keys = load_keys(Settings(api_keys_file=str(file), api_keys=(f"dora:{WRONG}",)))
    assert keys.holder(Headers({"X-API-Key": ONE})) == "carl"
    assert keys.holder(Headers({"X-API-Key": WRONG})) == "dora"
    unnamed = keys.holder(Headers({"X-API-Key": TWO}))
    assert unnamed
    assert TWO not in unnamed


def test_without_keys_nobody_needs_one() -> None:
    assert not load_keys(Settings())


@pytest.mark.parametrize(
    "text", ["", "\n", "# only a comment\n", "short\n", f"{ONE} {TWO}\n", f":{ONE}\n", "a" * 513, "\xe4" * 20]
)
def test_a_file_without_sound_keys_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_keys(Settings(api_keys_file=str(file)))
    assert caught.value.cure
    assert not any(part in str(caught.value) for part in (ONE, TWO, "short"))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_keys(Settings(api_keys_file=str(path)))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_keys(Settings(api_keys_file=str(tmp_path / "binary")))


def test_settings_do_not_show_keys() -> None:
    settings = Settings(api_keys=(ONE, f"ann:{TWO}"), port=1234)
    for text in (repr(settings), str(settings), f"{settings}"):
        assert ONE not in text
        assert TWO not in text
        assert "port=1234" in text
        assert "api_keys=('...', '...')" in text
