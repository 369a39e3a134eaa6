"""What a model takes here, measured on a real server, and the arithmetic of what to ask for."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from maskery.cli.package import package
from maskery.cli.size import size
from maskery.core.errors import BadRequest, ConfigError, ModelError
from maskery.packaging import context
from maskery.packaging import size as sizes
from maskery.packaging.manifest import Manifest, read_manifest
from maskery.packaging.size import LoadLevel, SizeQuestion, advise, measure_size, read_advice, sizing_text


def level(concurrency: int, p99: float, per_second: float) -> LoadLevel:
    return LoadLevel(
        concurrency=concurrency, pictures=100, p50_ms=p99 / 2, p99_ms=p99, per_second=per_second, cpu_ms=50.0
    )


LEVELS = [level(1, 60, 20), level(2, 90, 35), level(4, 180, 36), level(8, 400, 30)]


def test_the_fewest_callers_that_bring_nearly_the_most() -> None:
    advice = advise(LEVELS, peak_mib=170.0, load=100.0, target_p99_ms=None)
    assert (advice.concurrency, advice.replicas, advice.meets) == (2, 5, True)  # 100 / (0.7 x 35) = 4.08
    assert (advice.memory_request_mib, advice.memory_limit_mib) == (192, 256)
    assert advice.cpu == 1.8  # 35 a second, 50 ms each


def test_a_target_keeps_the_callers_down() -> None:
    assert advise(LEVELS, 170.0, 1.0, 70.0).concurrency == 1
    unmet = advise(LEVELS, 170.0, 1.0, 10.0)
    assert (unmet.concurrency, unmet.meets) == (1, False)


def test_a_server_is_measured_and_its_figures_become_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "CONCURRENCIES", (1, 2))
    sizing = measure_size(SizeQuestion("everyday", load=3.0, seconds=0.3, starts=1))
    assert [one.concurrency for one in sizing.levels] == [1, 2]
    assert all(0 < one.p50_ms <= one.p99_ms and one.per_second > 0 for one in sizing.levels)
    assert sizing.cold_start_ms > 100
    assert 50 < sizing.idle_mib <= sizing.peak_mib
    assert "pictures a second" in sizing_text(sizing)
    (tmp_path / "size.json").write_bytes(msgspec.json.encode(sizing))
    manifest = read_manifest(None, read_advice(tmp_path / "size.json"))
    assert manifest.memory == f"{sizing.advice.memory_limit_mib}MiB"
    assert manifest.replicas == sizing.advice.replicas
    monkeypatch.setattr(context, "closure", lambda _: [])
    words = ["docker", "--size", str(tmp_path / "size.json"), "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(package, words, catch_exceptions=False).exit_code == 0
    assert read_manifest(tmp_path / "out" / "package.toml", {}) == manifest != Manifest()


def test_what_is_no_sizing_and_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "size.json").write_text("{}")
    with pytest.raises(ConfigError, match="maskery size --json"):
        read_advice(tmp_path / "size.json")
    with pytest.raises(BadRequest, match="holds no pictures"):
        measure_size(SizeQuestion("everyday", photos=tmp_path))


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(ModelError, match="no model 'everydya'"):
        measure_size(SizeQuestion("everydya", starts=1))


def test_a_target_that_is_not_met_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "CONCURRENCIES", (1,))
    done = CliRunner().invoke(size, ["--seconds", "0.1", "--target-p99", "1"], catch_exceptions=False)
    assert done.exit_code == 1
    assert "No level stays within 1 ms" in done.stdout
