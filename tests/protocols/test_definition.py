"""Protocol files: the shipped ones are sound, wrong ones name what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidfake.datasets import DATASETS
from vidfake.errors import ConfigError, ProtocolError
from vidfake.protocols import load_protocol, shipped_protocols

GOOD = 'summary = "s"\n[[test.t.select]]\ndataset = "a"\n'


def test_the_families_are_shipped() -> None:
    names = shipped_protocols()
    for prefix, at_least in (("within_", 6), ("cross_dataset", 1), ("leave_out_", 5), ("cross_compression_", 3),
                             ("cross_quality", 1)):  # fmt: skip
        assert sum(name.startswith(prefix) for name in names) >= at_least


def test_the_families_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
    for name in shipped_protocols():
        stem, _, last = name.rpartition("_")
        assert f"`{name}`" in text or (f"`{stem}_" in text and f"`_{last}`" in text), name


@pytest.mark.parametrize("name", shipped_protocols())
def test_shipped_protocols_name_known_corpora_and_validate(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.summary
    assert protocol.source
    assert protocol.train is not None
    assert (protocol.validation is None) == (protocol.validation_fraction > 0)
    assert protocol.overlap == "refuse"
    roles = [protocol.train, *filter(None, [protocol.validation]), *protocol.test.values()]
    for role in roles:
        assert all(selection.dataset in DATASETS for selection in role.select)
    for role in roles[: 2 if protocol.validation else 1]:
        assert all("test" not in s.splits and s.splits for s in role.select)


def test_the_cross_dataset_protocol_covers_every_corpus() -> None:
    tested = {s.dataset for role in load_protocol("cross_dataset").test.values() for s in role.select}
    assert tested == set(DATASETS.names()) - {"folder"}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    protocol = load_protocol(path)
    assert (protocol.name, protocol.train, list(protocol.test)) == ("mine", None, ["t"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("dataset", "datset"),
            r"Unknown setting 'test\.t\.select\[0\]\.datset'.*Did you mean 'dataset'",
        ),
        (GOOD.replace("summary", "sumary"), "Unknown setting 'sumary'"),
        ('summary = "s"\n[test]\n', "has no test set"),
        ('summary = "s"\n[test.t]\nselect = []\n', "selects nothing"),
        (GOOD + "frames = 3\n", "Unknown setting"),
        (GOOD + "[test.t]\nframes_per_video = -1\n", "must not be negative|not valid TOML"),
        (GOOD + 'labels = ["reals"]\n', "Accepted: 'real', 'fake'. Did you mean 'real'"),
        (GOOD + '[[train.select]]\ndataset = "a"\n', "never chosen on test data"),
        ("validation_fraction = 0.1\n" + GOOD, r"taken from \[train\], which is not there"),
        ("validation_fraction = 0.9\n" + GOOD, "must be in 0 to 0.5"),
        ('overlap = "ignore"\n' + GOOD, "Accepted: 'refuse', 'drop'"),
        ("summary = ", "not valid TOML"),
    ],
)
def test_wrong_files_name_themselves_and_the_setting(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_protocol(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).count(str(path)) == 1


def test_both_kinds_of_validation_at_once(tmp_path: Path) -> None:
    select = '[[{}.select]]\ndataset = "a"\n'
    (tmp_path / "p.toml").write_text(
        "validation_fraction = 0.1\n" + GOOD + select.format("train") + select.format("validation")
    )
    with pytest.raises(ConfigError, match=r"needs either \[validation\] or validation_fraction"):
        load_protocol(tmp_path / "p.toml")


def test_names_that_are_not_shipped(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="No protocol 'cross_datset'.*Did you mean 'cross_dataset'"):
        load_protocol("cross_datset")
    with pytest.raises(ConfigError, match="no such config file"):
        load_protocol(tmp_path / "absent.toml")
