from pathlib import Path

import pytest

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings, load_settings, table


def test_command_line_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    config = tmp_path / "m.toml"
    config.write_text('port = 1\nthreads = 1\nhost = "a"\n')
    environment = {"MASKERY_PORT": "2", "MASKERY_THREADS": "2", "MASKERY_CONFIG": str(config)}
    settings = load_settings({"port": 3, "host": None}, environment)
    assert (settings.port, settings.threads, settings.host) == (3, 2, "a")
    assert settings.max_queue == Settings().max_queue


def test_text_becomes_the_right_type() -> None:
    environment = {"MASKERY_MODEL": "a, b", "MASKERY_OFFLINE": "true", "MASKERY_TIMEOUT": "2.5"}
    settings = load_settings(environment=environment)
    assert settings.model == ("a", "b")
    assert settings.offline is True
    assert settings.timeout == 2.5


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"MASKERY_PROT": "1"}, "Unknown environment variable MASKERY_PROT. Did you mean 'MASKERY_PORT'?"),
        ({"MASKERY_PORT": "http"}, "MASKERY_PORT='http'"),
        ({"MASKERY_PORT": "70000"}, "MASKERY_PORT='70000'"),
        ({"MASKERY_DEVICE": "tpu"}, "MASKERY_DEVICE='tpu'"),
        ({"MASKERY_CONFIG": "nowhere.toml"}, "nowhere.toml cannot be read"),
    ],
)
def test_wrong_settings_are_errors(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment=environment)
    assert says in str(caught.value)


def test_unknown_key_in_the_file(tmp_path: Path) -> None:
    config = tmp_path / "m.toml"
    config.write_text("max_byte = 3\n")
    with pytest.raises(ConfigError, match="Did you mean 'max_bytes'"):
        load_settings(environment={}, config=config)


def test_out_of_range_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match="out of range"):
        load_settings({"port": 70_000}, {})


def test_every_setting_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    for name, variable, default, help in table():
        assert f"| `{name}` | `{variable}` | {f'`{default}`' if default else ''} | {help} |" in text
