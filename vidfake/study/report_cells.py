"""The figures of a study as short texts: the cells of its tables."""

from __future__ import annotations

from vidfake.report.numbers import BLANK, decimal, p_text, span
from vidfake.study.analysis_effects import Effect
from vidfake.study.analysis_runs import Mean
from vidfake.study.report_rows import Row

HEADER = (
    "loss",
    "video AUC \u00b1 sd over seeds",
    "difference [interval]",
    "p (Holm)",
    "verdict",
    "prototype",
    "probe",
    "frame AUC",
    "frames averaged",
    "balanced accuracy",
    "ECE",
    "effective rank",
    "silent share",
    "trials",
    "seeds",
    "chosen (* at a bound)",
)

ELSEWHERE = ("ECE", "effective rank", "silent share", "chosen (* at a bound)")
"""Columns of `HEADER` that a page has in tables of their own."""


def metric_text(name: str) -> str:
    """``video AUC`` for ``video_auc``."""
    return name.replace("_auc", " AUC").replace("_", " ")


def text_cells(row: Row) -> list[str]:
    """The cells under `HEADER`."""

    def shown(name: str, digits: int = 3, *, signed: bool = False) -> str:
        return decimal(row.number(name), digits, signed=signed)

    value, effect, trials = shown("value"), shown("difference", signed=True), BLANK
    if row["deviation_over_seeds"] is not None:
        value += f" \u00b1 {shown('deviation_over_seeds')}"
    if row["low"] is not None:
        effect += f" [{shown('low', signed=True)}, {shown('high', signed=True)}]"
    if row["trials"] is not None:
        trials = f"{row['trials']} ({row['failed_trials']} failed)"
    return [
        str(row["arm"]),
        value,
        effect,
        p_text(row.number("holm_p")),
        str(row["verdict"] or ""),
        shown("prototype_auc"),
        shown("probe_auc"),
        shown("frame_auc"),
        shown("frames_averaged_auc"),
        shown("balanced_accuracy"),
        shown("ece"),
        shown("effective_rank", 1),
        shown("silent_share", 2),
        trials,
        shown("seeds", 0),
        str(row["chosen"] or ""),
    ]


def mean_text(mean: Mean | None, digits: int = 3) -> str:
    """``0.801 ± 0.010``."""
    if mean is None:
        return BLANK
    return decimal(mean.value, digits) + (
        f" \u00b1 {decimal(mean.deviation, digits)}" if mean.deviation is not None else ""
    )


def effect_text(effect: Effect | None) -> str:
    """``+0.012 [−0.003, +0.027]``."""
    if effect is None:
        return BLANK
    return f"{decimal(effect.difference, signed=True)} {span(effect.interval, signed=True)}".rstrip()
