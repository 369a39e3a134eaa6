"""Units and services: what they say, as far as systemd's own tools and shells can check it here."""

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from maskery.core.settings import Settings
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package

MANIFEST = Manifest(name="masks", memory="512MiB", cpu=1.5, concurrency=4, max_replicas=9, port=8080)


@pytest.fixture
def systemd(no_wheels: None, tmp_path: Path) -> Path:
    write_package("systemd", tmp_path / "out", MANIFEST, Settings())
    return tmp_path / "out"


@pytest.fixture
def cloudrun(no_wheels: None, tmp_path: Path) -> Path:
    write_package("cloudrun", tmp_path / "out", MANIFEST, Settings())
    return tmp_path / "out"


def test_the_unit_is_hardened_and_has_limits(systemd: Path) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(systemd / "masks.service")
    unit = parser["Service"]
    assert (unit["MemoryMax"], unit["CPUQuota"]) == ("512M", "150%")
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateNetwork", "PrivateTmp", "ProtectHome"):
        assert unit[name] == "yes", name
    assert unit["ProtectSystem"] == "strict"
    assert unit["ExecStart"].startswith(
        "/opt/maskery/bin/maskery serve --bundle /opt/maskery/masks.bundle --uds /run/masks/"
    )
    assert "unix:/run/masks/masks.sock" in (systemd / "nginx.conf").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit_and_finds_little_exposed(systemd: Path, tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", (systemd / "masks.service").read_text(), flags=re.M)
    (tmp_path / "masks.service").write_text(text)  # verify looks for the program, which is not installed here
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "masks.service")], capture_output=True, text=True, check=False
    )
    assert not [line for line in done.stderr.splitlines() if "masks.service" in line], done.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(tmp_path / "masks.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr  # an exposure level of 2.0 of 10 at most


def test_the_service_of_cloud_run(cloudrun: Path) -> None:
    service = yaml.safe_load((cloudrun / "service.yaml").read_text())
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["containerConcurrency"] == 4
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "512Mi"}
    settings = tomllib.loads((cloudrun / "image" / "settings.toml").read_text())
    assert container["ports"][0]["containerPort"] == settings["port"] == 8080
    assert container["startupProbe"]["httpGet"] == {"path": "/readyz", "port": 8080}
    assert settings["url_input"] == "off"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=cloudrun / "image", check=True)


@pytest.mark.parametrize("target", ["systemd", "cloudrun"])
@pytest.mark.usefixtures("no_wheels")
def test_the_scripts_are_scripts(target: str, tmp_path: Path) -> None:
    write_package(target, tmp_path / "out", MANIFEST, Settings())
    (script,) = (tmp_path / "out").glob("*.sh")
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o111
