"""The measured part of a model card, taken from the ``report.json`` that `vidfake evaluate` wrote."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidfake.default.card import Measured, ModelCard, Part, Verdicts
from vidfake.errors import UsageError
from vidfake.inference.profiles import BALANCED


def add_figures(card: ModelCard, reports: list[Path]) -> ModelCard:
    """The card with the figures of these reports in place of those it had.

    Raises UsageError for a file that is no report, or one without a result of exactly these weights, or one of
    another profile than the one that scores by default.
    """
    measured: list[Measured] = []
    verdicts: list[Verdicts] = []
    parts: list[Part] = []
    commands: list[str] = []
    for path in reports:
        report = _read(path)
        own = [r for r in report["results"] if r["facts"].get("detector sha256") == card.weights.sha256]
        if not own:
            raise UsageError(
                f"{path}: holds no result of the shipped weights {card.weights.sha256[:16]}…. Evaluate the "
                "detector that ships (`vidfake evaluate default MANIFEST`), and name that report."
            )
        profile = report.get("protocol", {}).get("profile", BALANCED.name)
        if profile != BALANCED.name:
            raise UsageError(
                f"{path}: was made with the profile '{profile}'; a card holds figures of '{BALANCED.name}', which "
                "`vidfake score` uses when none is named. Evaluate without --profile."
            )
        for result in own:
            measured += _measured(result)
            verdicts += _verdicts(result)
            parts += _parts(result)
        commands += [without_folders(str(command)) for command in report.get("command", [])]
    return replace(
        card,
        measured=tuple(measured),
        verdicts=tuple(verdicts),
        parts=tuple(parts),
        measured_with=tuple(commands),
    )


def without_folders(command: str) -> str:
    """A command with every path cut to its last part: a card is published, a machine's folders are not."""
    words = []
    for word in shlex.split(command):
        name, equals, path = word.rpartition("=")
        words.append(f"{name}{equals}{Path(path).name}" if "/" in path else word)
    return shlex.join(words)


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Name a report.json.") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON ({error}). Name a report.json of `vidfake evaluate`.") from error
    if not isinstance(report, dict) or report.get("format") != "vidfake-report":
        raise UsageError(f"{path}: not a report. Name the report.json of `vidfake evaluate`.")
    return report


def _bounds(figure: dict[str, Any]) -> dict[str, float | None]:
    interval = figure.get("interval") or {}
    return {"low": interval.get("low"), "high": interval.get("high")}


def _measured(result: dict[str, Any]) -> Iterator[Measured]:
    for section in result["sections"]:
        for level in section["levels"]:
            auc = level["figures"]["auc"]
            yield Measured(
                dataset=result["dataset"],
                rows=section["name"],
                level=level["level"],
                auc=auc["value"],
                num_videos=level["num_videos"],
                num_real=level["num_real"],
                num_fake=level["num_fake"],
                num_sources=section["num_sources"],
                coverage=level["num_videos"] / max(1, section["num_videos"]),
                **_bounds(auc),
            )


def _verdicts(result: dict[str, Any]) -> Iterator[Verdicts]:
    for row in result["verdicts"]:
        yield Verdicts(
            dataset=result["dataset"],
            by=row["kind"],
            part=row["name"],
            truth="fake" if row["label"] else "real",
            num_videos=row["num_videos"],
            num_sources=row["num_sources"],
            likely_fake=row["likely_fake"],
            inconclusive=row["inconclusive"],
            likely_real=row["likely_real"],
            no_score=row["no_score"],
            called_fake=row["called_fake"]["value"],
            **_bounds(row["called_fake"]),
        )


def _parts(result: dict[str, Any]) -> Iterator[Part]:
    for row in result["groups"]:
        yield Part(
            dataset=result["dataset"],
            by=row["kind"],
            part=row["name"],
            against=row["against"],
            num_real=row["num_real"],
            num_fake=row["num_fake"],
            auc=row["auc"]["value"],
            **_bounds(row["auc"]),
        )
