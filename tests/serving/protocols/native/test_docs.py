"""The commands of docs/http-api.md, as they stand there."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.material import ROOT, decoded, encoded, photo
from tests.serving.live import Server


def test_the_commands_of_the_page(tmp_path: Path, plain_server: Server) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    (tmp_path / "second.jpg").write_bytes(encoded(photo("chelsea"), "JPEG"))
    (script,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "http-api.md").read_text(), re.DOTALL)
    script = script.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{plain_server.port}")
    script = script.replace("curl --json", "curl -H content-type:application/json --data-binary")  # of old curls
    command = ["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl --fail -s ")]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "person" in done.stdout
    assert decoded((tmp_path / "mask.png").read_bytes()).shape == (512, 512)
    assert (tmp_path / "same.png").read_bytes() == (tmp_path / "mask.png").read_bytes()
    results = json.loads((tmp_path / "several.json").read_text())["results"]
    assert [result["status"] for result in results] == [200, 200]
