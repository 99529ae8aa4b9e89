from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from vidfake.errors import ConfigError, MissingPackageError
from vidfake.faces.weights import packaged_file, read_user_file

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution `face-carrier` whose package must not be imported."""
    package, info = tmp_path / "face_carrier", tmp_path / "face_carrier-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model.bin").write_bytes(CONTENT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: face-carrier\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package / "model.bin"


def test_file_is_found_without_an_import(carrier: Path) -> None:
    found = packaged_file("face-carrier", "face_carrier/model.bin", sha256=SHA256, install="pip install it")
    assert found == carrier
    assert "face_carrier" not in sys.modules


def test_other_bytes_are_refused(carrier: Path) -> None:
    carrier.write_bytes(CONTENT[::-1])
    with pytest.raises(MissingPackageError, match=r"SHA-256 .* Run: pip install it"):
        packaged_file("face-carrier", "face_carrier/model.bin", sha256=SHA256, install="pip install it")


def test_missing_file_and_missing_distribution_name_the_remedy(carrier: Path) -> None:
    for distribution in ("face-carrier", "no-such-distribution"):
        with pytest.raises(MissingPackageError, match="Run: pip install it"):
            packaged_file(distribution, "face_carrier/other.bin", sha256=SHA256, install="pip install it")


def test_user_file(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(CONTENT)
    assert read_user_file(path) == CONTENT
    for unreadable in (tmp_path, tmp_path / "absent.onnx"):
        with pytest.raises(ConfigError, match="Name an existing ONNX file"):
            read_user_file(unreadable)
