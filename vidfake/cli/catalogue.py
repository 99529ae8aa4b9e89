"""`vidfake list KIND`: the registries, each row with its summary and source."""

from __future__ import annotations

import importlib
from typing import Any

import typer

from vidfake.errors import UnknownNameError
from vidfake.registry import Registry, nearest

# kind -> (module, registry, what it is)
KINDS: dict[str, tuple[str, str, str]] = {
    "losses": ("vidfake.losses", "LOSSES", "losses on the clip embedding"),
    "readouts": ("vidfake.losses.readout", "READOUTS", "from embeddings to scores"),
    "encoders": ("vidfake.models", "ENCODERS", "frame and whole-clip encoders"),
    "aggregators": ("vidfake.models", "AGGREGATORS", "temporal aggregators"),
    "detectors": ("vidfake.faces", "DETECTORS", "face detectors"),
    "datasets": ("vidfake.datasets", "DATASETS", "datasets as distributed"),
    "makers": ("vidfake.synth", "MAKERS", "makers of fakes"),
    "augmentations": ("vidfake.data.transforms", "AUGMENTATIONS", "clip-consistent augmentation"),
    "samplers": ("vidfake.data.samplers", "SAMPLERS", "batch samplers"),
    "corruptions": ("vidfake.corruptions", "CORRUPTIONS", "corruptions for robustness"),
    "poolings": ("vidfake.metrics.pooling", "POOLINGS", "pooling of scores"),
}


def load_registry(kind: str) -> Registry[Any]:
    """The registry of that kind. Raises UnknownNameError with the nearest kind."""
    if kind not in KINDS:
        raise UnknownNameError(f"Unknown kind '{kind}'. Known: {', '.join(KINDS)}.{nearest(kind, list(KINDS))}")
    module, name, _ = KINDS[kind]
    registry = getattr(importlib.import_module(module), name)
    assert isinstance(registry, Registry)
    return registry


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("list")
    def list_rows(
        kind: str = typer.Argument("", help="One of: " + ", ".join(KINDS) + ". Without it, the kinds."),
        as_json: bool = typer.Option(False, "--json", help="One JSON object per row."),
    ) -> None:
        """Show what can be chosen: losses, encoders, datasets, makers …, each with its source."""
        from vidfake.cli.display import print_json, print_table

        if not kind:
            rows = [(name, text) for name, (_, _, text) in KINDS.items()]
            if as_json:
                for name, text in rows:
                    print_json({"kind": name, "summary": text})
            else:
                print_table("vidfake list KIND", ("kind", "what"), rows)
            return
        registry = load_registry(kind)
        if as_json:
            for row in registry:
                print_json({"name": row.name, "summary": row.summary, "source": row.source, "status": row.status})
            return
        marked = [(r.name, f"{r.summary} [{r.status}]" if r.status else r.summary, r.source) for r in registry]
        print_table(f"{len(registry)} {kind}", ("name", "summary", "source"), marked)
