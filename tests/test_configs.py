"""Every shipped config loads, and default.toml is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidfake.config import from_dict, load, read_toml, to_dict, to_toml
from vidfake.errors import ConfigError
from vidfake.settings import RunConfig

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def test_default_toml_is_the_code() -> None:
    values = read_toml(CONFIGS / "default.toml")
    assert from_dict(RunConfig, values) == RunConfig()
    lines = (CONFIGS / "default.toml").read_text("utf-8").splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")).strip() == to_toml(RunConfig()).strip()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda p: p.name)
def test_every_config_loads_and_survives_writing(path: Path, tmp_path: Path) -> None:
    config = load(RunConfig, path)
    (tmp_path / "again.toml").write_text(to_toml(config))
    assert load(RunConfig, tmp_path / "again.toml") == config


def test_order_is_default_then_file_then_override(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("seed = 3\n[optim]\nepochs = 7\n")
    config = load(RunConfig, path, ["optim.epochs=9", "loss.options.margin_radians=0.3", "loss.name=arcface"])
    assert (config.seed, config.optim.epochs, config.optim.batch_size) == (3, 9, RunConfig().optim.batch_size)
    assert config.loss.options == {"margin_radians": 0.3}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.epoch=3", "Unknown setting 'optim.epoch'.*Did you mean 'epochs'"),
        ("optim.epochs=many", "'many'.*takes int"),
        ("optim.epochs=true", "takes int"),
        ("loss.task=binry", "Did you mean 'binary'"),
        ("extract.margin=0.5", "margin is 0.5"),
        ("extract=5", "is a table"),
        ("data.makers=self_blend", "is a list"),
        ("epochs", "not KEY=VALUE"),
        ("seed.x=1", "'seed'"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_is_accepted(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(RunConfig, None, [override])


def test_a_file_that_is_not_toml_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("seed = \n")
    with pytest.raises(ConfigError, match="c.toml: not valid TOML.*line 1"):
        load(RunConfig, path)
    with pytest.raises(ConfigError, match="no such config file"):
        load(RunConfig, tmp_path / "absent.toml")


def test_to_dict_is_plain() -> None:
    values = to_dict(RunConfig())
    assert isinstance(values["data"]["augment"], list)
