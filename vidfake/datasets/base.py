"""The registry of corpora and what every reader says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vidfake.datasets.duplicates import duplicate_files
from vidfake.datasets.result import ScanResult
from vidfake.datasets.tree import partial_downloads
from vidfake.errors import ConfigError
from vidfake.registry import Registry, nearest

DATASETS: Registry[ScanResult] = Registry("dataset")
"""Readers by name. A row's factory is ``scan(root, *, options…) -> ScanResult``; its `details` are `layout` (what a
root holds), `licence` and `splits` (where the official split is, or ``none``)."""

UNCONFIRMED = "layout unconfirmed"
"""Status of a reader whose layout is known from other tools only; it supports the variants that were seen."""


def scan_dataset(name: str, root: Path | str, *, check_duplicates: bool = False, **options: Any) -> ScanResult:
    """Scan a corpus as it was downloaded. No video is opened.

    Args:
        name: a row of `DATASETS`.
        root: the folder that the corpus was unpacked into.
        check_duplicates: also compare the files' contents (reads every file whose size another one has).
        options: the reader's own; an unknown one is an error that lists them.

    Raises DatasetError where the layout is not the corpus's or a list is damaged, UnknownNameError, ConfigError.
    """
    result = DATASETS.build(name, root=root, **options)
    unfinished = partial_downloads(result.root)
    if unfinished:
        result.warnings.append(
            f"{len(unfinished)} unfinished downloads, such as {unfinished[0].name}: let the downloader finish them."
        )
    if check_duplicates:
        for group in duplicate_files(result.records):
            result.warnings.append(f"Same content: {', '.join(group)}.")
    return result


def check_choices(option: str, values: Sequence[str], known: Sequence[str]) -> None:
    """Raise ConfigError for a value of a reader's option that is not among the known ones."""
    for value in values:
        if value not in known:
            raise ConfigError(f"{option} has '{value}'. Known: {', '.join(known)}.{nearest(value, list(known))}")
