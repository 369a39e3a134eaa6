from pathlib import Path

import pytest

from maskery.models.importers.hub import licence_of_readme


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# Net", "apache-2.0"),
        ("\ufeff---\r\ntags:\r\n- vision\r\nlicense: 'mit'   # so\r\n---\r\n", "mit"),
        ("---\nlicense: other\nlicense_name: nvidia-nc\n---\n", "nvidia-nc"),
        ("---\nlicense: other\n---\n", None),
        ("---\ndatasets:\n  license: mit\n---\n", None),
        ("---\ntags: []\n---\nlicense: mit\n", None),
        ("# Net\nlicense: mit\n", None),
        ("---\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_licence_of_readme(text: str, licence: str | None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(text.encode())
    assert licence_of_readme(tmp_path) == licence


def test_no_readme(tmp_path: Path) -> None:
    assert licence_of_readme(tmp_path) is None
