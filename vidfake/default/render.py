"""A model card as Markdown, for `vidfake card` and the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vidfake.default.card import ModelCard
from vidfake.report.numbers import BLANK, decimal, percent
from vidfake.report.text import clean

LEVELS = {"frame": "frame", "frames_averaged": "frames averaged", "clip": "clip", "video": "video"}


def markdown(card: ModelCard) -> str:
    """The whole card. Headings start at the second level, so that it can be part of a page."""
    weights = card.weights
    lines = [f"## {card.name}", "", *([card.summary, ""] if card.summary else [])]
    lines += table_lines(
        ("", ""),
        [
            ("Date", card.date),
            ("Licence", card.licence),
            ("SHA-256 of the weights", weights.sha256),
            ("Size", f"{weights.num_bytes / 1e6:.1f} MB, matrices and kernels in {weights.precision} precision"),
            ("Encoder, aggregator", f"{weights.encoder}, {weights.aggregator}"),
            ("Loss, read-out", f"{weights.loss}, {weights.readout}"),
            ("Half against single precision", _relative(weights.max_relative_difference)),
        ],
    )
    for title, texts in (
        ("Meant for", card.intended_use),
        ("Not meant for", card.not_for),
        ("Where it fails", card.fails),
    ):
        if texts:
            lines += [f"### {title}", "", *(f"- {text}" for text in texts), ""]
    lines += _figures(card)
    lines += _data(card)
    lines += _training(card)
    return "\n".join(lines).rstrip() + "\n"


def _figures(card: ModelCard) -> list[str]:
    lines: list[str] = []
    rows: list[tuple[object, ...]]
    head: tuple[str, ...]
    if card.measured:
        rows = [
            (m.dataset, m.rows, LEVELS.get(m.level, m.level), _span(m.auc, m.low, m.high), m.num_real, m.num_fake,
             m.num_sources, percent(m.coverage))
            for m in card.measured
        ]  # fmt: skip
        head = ("data set", "rows", "level", "AUC", "real", "fake", "sources", "coverage")
        lines += ["### Measured", "", *table_lines(head, rows)]
        lines += ["95 % intervals over whole sources.", ""]
    if card.thresholds:
        limits = card.thresholds
        lines += [
            "### Verdicts at the shipped thresholds",
            "",
            f"Likely fake from {limits['likely_fake']:.3f} (at most {percent(limits['false_positive_rate'])} of "
            f"{limits['num_validation_real']} validation reals), likely real up to {limits['likely_real']:.3f} (at "
            f"most {percent(limits['miss_rate'])} of {limits['num_validation_fake']} validation fakes); between "
            "them inconclusive.",
            "",
        ]
    if card.verdicts:
        rows = [
            (v.dataset, v.by, v.part, v.truth, v.num_videos, v.num_sources, v.likely_fake, v.inconclusive,
             v.likely_real, v.no_score, _span(v.called_fake, v.low, v.high, percent))
            for v in card.verdicts
        ]  # fmt: skip
        head = (
            "data set", "by", "part", "truth", "videos", "sources", "likely fake", "inconclusive", "likely real",
            "no score", "called fake",
        )  # fmt: skip
        lines += table_lines(head, rows)
    if card.parts:
        rows = [
            (p.dataset, p.by, p.part, p.against, p.num_real, p.num_fake, _span(p.auc, p.low, p.high))
            for p in card.parts
        ]
        head = ("data set", "by", "part", "against", "real", "fake", "video-level AUC")
        lines += ["### Parts of the data", "", *table_lines(head, rows)]
    if card.measured_with:
        lines += ["Measured with:", "", *(f"    {command}" for command in card.measured_with), ""]
    return lines


def _data(card: ModelCard) -> list[str]:
    if not card.data:
        return []
    rows = [(d.role, d.origin, f"{d.number} {d.what}", d.terms) for d in card.data]
    return ["### Data", "", *table_lines(("role", "origin", "number", "terms as stated there"), rows)]


def _training(card: ModelCard) -> list[str]:
    facts = card.training
    rows = [
        ("Command", facts.command),
        ("Hardware", facts.hardware),
        ("Minutes", "" if facts.minutes is None else f"{facts.minutes:.0f}"),
        *((f"Validation {name.replace('_', ' ')}", _plain(value)) for name, value in card.validation.items()),
    ]
    return ["### Training", "", *table_lines(("", ""), [row for row in rows if row[1]])]


def table_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table that reads well on a terminal too: of what would be Markdown only the bar is escaped."""

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(clean(cell, limit=None).replace("|", "\\|") for cell in cells) + " |"

    return [line(header), "|" + "---|" * len(header), *map(line, rows), ""]


def _span(
    value: float | None, low: float | None, high: float | None, write: Callable[[float | None], str] = decimal
) -> str:
    return write(value) if low is None or high is None else f"{write(value)} [{write(low)}, {write(high)}]"


def _relative(value: float | None) -> str:
    return "not compared" if value is None else f"scores differ by at most {value:.1e} of 1 + |score|, random input"


def _plain(value: object) -> str:
    return BLANK if value is None else decimal(value) if isinstance(value, float) else str(value)
