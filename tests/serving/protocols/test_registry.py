"""Which protocols are served, and that the others are not even imported."""

import subprocess
import sys

import pytest

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.models.loading import ModelLoader
from maskery.serving.protocols.registry import ALWAYS, PROTOCOLS, WRITERS, chosen, factories
from maskery.serving.runtime.service import InferenceService

LOADED = """
import sys
from maskery.core.settings import Settings
from maskery.serving.app import create_app
create_app(Settings(protocols=("rembg",)))
print(*sorted(name for name in sys.modules if name.startswith("maskery.serving.protocols.")))
"""


def test_the_settings_name_every_protocol_by_default() -> None:
    assert chosen(Settings()) == [name for name in PROTOCOLS if name != "jobs"]
    assert {*ALWAYS, *Settings().protocols} == set(PROTOCOLS) - {"jobs"}


def test_jobs_are_served_where_there_is_a_folder_for_them() -> None:
    assert "jobs" in chosen(Settings(jobs="jobs"))
    service = InferenceService(Settings(protocols=("jobs",)), {}, ModelLoader(Settings()))
    with pytest.raises(ConfigError, match="no folder") as error:
        factories(service.settings)[1](service)
    assert "--jobs" in error.value.cure


def test_native_is_served_whatever_they_say() -> None:
    assert chosen(Settings(protocols=())) == ["native"]
    assert chosen(Settings(protocols=("rembg", "max"))) == ["native", "max", "rembg"]


def test_wrong_settings() -> None:
    with pytest.raises(ConfigError, match="no protocol 'rembgg'") as error:
        chosen(Settings(protocols=("rembgg",)))
    assert "'rembg'" in error.value.cure
    with pytest.raises(ConfigError, match="drop_in"):
        chosen(Settings(protocols=("rembg",), drop_in="max"))


def test_a_module_is_imported_only_where_it_is_served() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("maskery.serving.protocols.").partition(".")[0] for name in done.stdout.split()}
    assert {"native", "rembg"} <= loaded
    assert not loaded & {"max", "huggingface", "label_studio", "open_inference"}


def test_writers_are_found_by_name() -> None:
    assert all(WRITERS[name].name == name for name in WRITERS)
    assert len(WRITERS) == len(set(WRITERS)) >= len(PROTOCOLS)
    for unknown in ("rembg:nothing", "nothing:png", ""):
        assert unknown not in WRITERS
