"""``maskery serve``: what its options and its environment become."""

import logging

import pytest
from click.testing import CliRunner

from maskery.cli.serve import serve
from maskery.core.settings import Settings
from maskery.serving import server
from maskery.serving.telemetry import access_log


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of servers that were started; none listens."""
    found: list[Settings] = []
    monkeypatch.setattr(server, "serve", lambda settings, announce: found.append(settings))
    monkeypatch.setattr(access_log, "set_up_logging", lambda *_: None)
    return found


def test_a_kubernetes_service_named_maskery_does_not_stop_the_server(
    served: list[Settings], caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"MASKERY_SERVICE_HOST": "10.0.0.1", "MASKERY_PORT": "tcp://10.0.0.1:8000"}
    with caplog.at_level(logging.INFO, "maskery"):
        result = CliRunner(env=environment).invoke(serve, [])
    assert result.exit_code == 0, result.output
    assert [settings.port for settings in served] == [Settings().port]
    assert (
        "passed over 2 variables that Kubernetes sets for a Service: MASKERY_PORT, MASKERY_SERVICE_HOST" in caplog.text
    )


def test_without_such_a_service_nothing_is_said(served: list[Settings], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "maskery"):
        assert CliRunner().invoke(serve, ["--memory", "none", "--port", "0"]).exit_code == 0
    assert [(settings.memory, settings.port) for settings in served] == [("none", 0)]
    assert caplog.text == ""
