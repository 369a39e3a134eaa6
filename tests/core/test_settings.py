from pathlib import Path

import pytest

from maskery.core.errors import ConfigError
from maskery.core.settings import PREFIX, Settings, load_settings, service_links, table
from maskery.serving.telemetry.status import PER_PROCESS


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


LINKS = {
    "MASKERY_SERVICE_HOST": "10.96.0.12",
    "MASKERY_SERVICE_PORT": "8000",
    "MASKERY_SERVICE_PORT_HTTP": "8000",
    "MASKERY_PORT": "tcp://10.96.0.12:8000",
    "MASKERY_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "MASKERY_PORT_8000_TCP_PROTO": "tcp",
    "MASKERY_PORT_8000_TCP_PORT": "8000",
    "MASKERY_PORT_8000_TCP_ADDR": "10.96.0.12",
}
"""What Kubernetes sets for a Service named maskery with one port named http."""


def test_the_variables_of_a_kubernetes_service_are_no_settings() -> None:
    canary = {name.replace(PREFIX, "MASKERY_CANARY_", 1): text for name, text in LINKS.items()}
    environment = LINKS | canary | {"MASKERY_THREADS": "3", "OTHER_PORT": "tcp://10.0.0.1:80"}
    assert load_settings(environment=environment) == Settings(threads=3)
    assert service_links(environment) == sorted([*LINKS, *canary])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MASKERY_PORT", "tcp//10.96.0.12:8000"),
        ("MASKERY_PORT", "http://10.96.0.12:8000"),
        ("MASKERY_SERVICE_HOSTS", "a"),
        ("MASKERY_SERVICE", "a"),
        ("MASKERY_PORT_HTTP", "8000"),
        ("MASKERY_PORT_8000", "tcp://10.96.0.12:8000"),
        ("MASKERY_PORT_8000_TCP_NAME", "a"),
    ],
)
def test_what_only_resembles_them_is_an_error(name: str, text: str) -> None:
    assert service_links({name: text}) == []
    with pytest.raises(ConfigError, match=name):
        load_settings(environment={name: text})


def test_a_port_that_is_a_number_stays_the_setting() -> None:
    assert load_settings(environment=LINKS | {"MASKERY_PORT": "9000"}).port == 9000


def test_limits_that_each_process_counts_say_so() -> None:
    helps = {name: help for name, _, _, help in table()}
    for name in PER_PROCESS:
        assert "process" in helps[name], name
    assert "process" not in helps["max_pixels"]
