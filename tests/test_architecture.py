"""Layers are kept: imports point downwards only, and third-party packages stay in their homes."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "vidfake"

RANKS = {
    "types": 0, "errors": 0, "registry": 0, "geometry": 1,
    "config": 1, "settings": 1, "seeding": 1, "files": 1, "scores": 1,
    "video": 2, "models": 2, "losses": 2, "metrics": 2,
    "faces": 3, "sandbox": 3, "synth": 3, "datasets": 3, "corruptions": 3,
    "data": 4, "protocols": 4,
    "train": 5, "evaluate": 5, "inference": 5, "report": 5, "study": 5, "default": 5,
    "cli": 6, "demo": 6, "__main__": 7,
}  # fmt: skip

# neighbours that may be imported sideways, each with its reason
SIDEWAYS = {
    ("settings", "config"), ("scores", "files"), ("config", "files"),
    ("datasets", "faces"), ("sandbox", "faces"),
    ("cli", "demo"), ("demo", "cli"),
    ("evaluate", "inference"), ("evaluate", "report"), ("train", "inference"),
    ("default", "inference"), ("default", "report"), ("default", "train"),
    ("study", "train"), ("study", "inference"), ("study", "evaluate"), ("study", "report"),
    ("protocols", "data"), ("errors", "types"),
    ("registry", "errors"),
}  # fmt: skip

HOMES = {
    "av": ("vidfake/video/",),
    "dlib": ("vidfake/faces/",),
    "pytorchvideo": ("vidfake/models/clip_encoders.py", "vidfake/data/clip_sampling.py"),
    "sklearn": ("vidfake/metrics/", "vidfake/losses/readout.py"),
    "rich": ("vidfake/cli/", "vidfake/demo"),
    "typer": ("vidfake/cli/",),
    "jinja2": ("vidfake/report/",),
    "optuna": ("vidfake/study/tpe.py", "vidfake/study/export_optuna.py"),
}


def imports(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: use absolute imports"
            found.append((node.lineno, node.module or ""))
            if node.module == "vidfake":
                found += [(node.lineno, f"vidfake.{alias.name}") for alias in node.names]
    return found


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [p for p in sorted(ROOT.rglob("*.py")) if p != ROOT / "__init__.py"]


def test_every_package_has_a_layer() -> None:
    unknown = {part_of(p) for p in modules()} - set(RANKS)
    assert not unknown, f"give these a layer in RANKS and in docs/contracts.md: {unknown}"


def test_imports_point_downwards() -> None:
    problems = []
    for path in modules():
        here = part_of(path)
        for line, name in imports(path):
            parts = name.split(".")
            if parts[0] != "vidfake" or len(parts) == 1 or parts[1] == here or parts[1].startswith("__version"):
                continue
            there = parts[1]
            if there not in RANKS:
                continue
            if RANKS[there] > RANKS[here] or (RANKS[there] == RANKS[here] and (here, there) not in SIDEWAYS):
                problems.append(f"{path.relative_to(ROOT.parent)}:{line}: {here} may not import {there}")
    assert not problems, "\n".join(problems)


def test_third_party_packages_stay_at_home() -> None:
    problems = []
    for path in [*modules(), ROOT / "__init__.py"]:
        relative = path.relative_to(ROOT.parent).as_posix()
        for line, name in imports(path):
            top = name.split(".")[0]
            if top in HOMES and not relative.startswith(HOMES[top]):
                problems.append(f"{relative}:{line}: {top} belongs in {HOMES[top]}")
    assert not problems, "\n".join(problems)
