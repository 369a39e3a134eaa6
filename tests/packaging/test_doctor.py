"""Broken set-ups: each fault is named with its cure."""

import importlib.metadata
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from maskery.cli.doctor import doctor
from maskery.core.settings import Settings
from maskery.models.catalog import builtin
from maskery.packaging import machine_checks, model_checks
from maskery.packaging.doctor import CHECKS, Diagnosis, diagnose, diagnosis_text
from maskery.packaging.finding import Check, SetupFinding

Usage = namedtuple("Usage", "total used free")


def worst(check: Check, settings: Settings) -> SetupFinding:
    order = ("ok", "warning", "fault")
    return max(check(settings), key=lambda finding: order.index(finding.level))


def test_a_sound_set_up_has_no_fault(tmp_path: Path) -> None:
    diagnosis = diagnose({"cache": str(tmp_path)})
    assert diagnosis.level != "fault", diagnosis_text(diagnosis)
    assert {one.subject for one in diagnosis.findings} == {"settings", *CHECKS}


def test_more_threads_than_cores() -> None:
    found = worst(machine_checks.threads, Settings(threads=512))
    assert (found.level, found.cure[:14]) == ("fault", "Set threads = ")
    assert "512 threads" in found.says


def test_a_quota_below_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "usable_cores", lambda: 8)
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine_checks.cpu_quota(tmp_path / "cpu.max") == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine_checks.cpu_quota(tmp_path / "cpu.max") is None
    monkeypatch.setattr(machine_checks, "cpu_quota", lambda: 1.5)
    assert worst(machine_checks.threads, Settings()).cure == "Set threads = 1."


def test_a_variable_of_threads_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert worst(machine_checks.threads, Settings()).cure == "Unset OMP_NUM_THREADS."


def test_a_missing_extra_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name.startswith("opentelemetry"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    assert worst(machine_checks.packages, Settings()).level == "ok"
    found = worst(machine_checks.packages, Settings(otel_endpoint="http://collector:4318"))
    assert (found.level, found.cure) == ("fault", "Run: pip install 'maskery[otel]'")


def test_a_missing_extra_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(builtin()["everyday"], tmp_path / "lite")
    card = (tmp_path / "lite" / "model.toml").read_text()
    (tmp_path / "lite" / "model.toml").write_text(card.replace("everyday.onnx", "everyday.tflite"))
    (tmp_path / "lite" / "everyday.onnx").rename(tmp_path / "lite" / "everyday.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    found = worst(model_checks.models, Settings(model=(str(tmp_path / "lite"),)))
    assert found.level == "fault"
    assert "maskery[tflite]" in found.cure


def test_a_package_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.0.1")
    assert "numpy is 0.0.1" in " ".join(one.says for one in machine_checks.packages(Settings()))


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(cache=str(tmp_path / "file" / "cache"))
    found = worst(model_checks.cache, settings)
    assert found.level == "fault"
    assert "MASKERY_CACHE" in found.cure
    assert worst(model_checks.cache, msgspec.structs.replace(settings, offline=True)).level == "warning"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(cache=str(tmp_path))
    assert worst(model_checks.disk, settings).level != "fault"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 100 << 30, 1 << 20))
    assert "the disk is full" in worst(model_checks.disk, settings).says


def test_a_tampered_model(tmp_path: Path) -> None:
    shutil.copytree(builtin()["everyday"], tmp_path / "mine")
    weights = tmp_path / "mine" / "everyday.onnx"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    found = worst(model_checks.models, Settings(model=(str(tmp_path / "mine"),)))
    assert found.level == "fault"
    assert "sha256" in found.says


def test_a_model_that_answers_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_checks, "check", lambda _: "person covers 0.100, expected 0.600")
    assert "stored answer: person" in worst(model_checks.models, Settings()).says


def test_a_licence_that_needs_a_decision(tmp_path: Path) -> None:
    shutil.copytree(builtin()["everyday"], tmp_path / "mine")
    card = (tmp_path / "mine" / "model.toml").read_text()
    (tmp_path / "mine" / "model.toml").write_text(card.replace("copyleft = false", "copyleft = true"))
    found = worst(model_checks.licences, Settings(model=(str(tmp_path / "mine"),)))
    assert (found.level, "copyleft" in found.says) == ("warning", True)


def test_memory_that_is_not_there() -> None:
    assert worst(machine_checks.limits, Settings(memory="4TB")).cure.startswith("Set memory to ")
    assert "too little" in worst(machine_checks.limits, Settings(memory="50MB")).says
    assert worst(machine_checks.limits, Settings(memory="much")).level == "fault"


def test_fewer_files_than_connections() -> None:
    found = worst(machine_checks.limits, Settings(max_connections=100_000_000))
    assert (found.level, "files may be open" in found.says) == ("warning", True)


def test_a_clock_in_the_past() -> None:
    (found,) = machine_checks.clock(Settings(), now=86_400.0)
    assert (found.level, found.says) == ("fault", "The clock shows 1970-01-02T00:00:00Z, before Maskery was installed.")


def test_a_device_that_is_not_there() -> None:
    assert worst(machine_checks.runtimes, Settings(device="cuda")).level == "fault"
    assert worst(machine_checks.runtimes, Settings(device="auto")).level == "warning"


def test_an_address_that_is_taken() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = worst(machine_checks.address, Settings(port=taken.getsockname()[1]))
    assert found.cure == "Stop what listens there, or set another port."


def test_the_command_names_the_faults_and_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CACHE", "THREADS"):
        monkeypatch.delenv(f"MASKERY_{name}", raising=False)
    (tmp_path / "s.toml").write_text(f'cache = "{tmp_path}/s.toml/no"\nthreads = 512\nmodel = ["no-such"]\n')
    done = CliRunner().invoke(doctor, ["--config", str(tmp_path / "s.toml"), "--json"], catch_exceptions=False)
    assert done.exit_code == 1
    diagnosis = msgspec.json.decode(done.stdout, type=Diagnosis)
    assert {one.subject for one in diagnosis.findings if one.level == "fault"} == {"threads", "cache", "models"}
    assert all(one.cure for one in diagnosis.findings if one.level != "ok")


def test_a_setting_that_is_none_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKERY_THREDS", "2")
    diagnosis = diagnose({"cache": str(tmp_path)})
    assert (diagnosis.findings[0].level, "MASKERY_THREADS" in diagnosis.findings[0].cure) == ("fault", True)
    assert "FAULT    settings" in diagnosis_text(diagnosis)
