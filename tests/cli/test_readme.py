"""Every command in the README and the docs exists, with the options it is shown with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from vidfake.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "configs").glob("*.toml"))]


def commands(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", text, re.S) if page.suffix == ".md" else [text]
    lines = [line for block in blocks for line in block.splitlines()]
    return [m[1] for line in lines if (m := re.match(r"^(?:# )?vidfake ([^#]+)", line))]


ALL = [(page.name, command) for page in PAGES for command in commands(page)]


def test_there_are_commands_to_check() -> None:
    assert len([1 for page, _ in ALL if page == "README.md"]) >= 10


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{p}: {c[:40]}" for p, c in ALL])
def test_command_and_options_exist(page: str, command: str) -> None:
    words = command.split()
    group = typer.main.get_command(app)
    found = group
    while hasattr(found, "commands") and words and words[0] in found.commands:
        found = found.commands[words.pop(0)]
    assert found is not group, f"{page}: no such command: vidfake {command}"
    known = {option for parameter in found.params for option in parameter.opts}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known | {"--debug", "--help"}, f"{page}: vidfake {command}"


def test_the_readme_trains_on_what_it_prepares() -> None:
    """A config with its own [extract] must be the one that the clips were prepared with."""
    lines = commands(ROOT / "README.md")
    prepared = next(line for line in lines if line.startswith("prepare"))
    trained = next(line for line in lines if line.startswith("train"))
    config = trained.split()[1]
    assert "[extract]" not in (ROOT / config).read_text() or f"--config {config}" in prepared
