"""``maskery package``: the folder on stdout, what comes next on stderr."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from maskery.cli.package import package
from maskery.packaging import context


def test_a_package_by_options_over_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "closure", lambda _: [])
    (tmp_path / "m.toml").write_text("port = 9000\nimage = 'here/masks:2'\n")
    words = ["docker", "--manifest", str(tmp_path / "m.toml"), "--memory", "1GiB", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(package, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout == f"{tmp_path / 'out'}\n"
    assert "docker build -t here/masks:2" in done.stderr
    assert "--memory 1024m -p 9000:9000" in done.stderr
