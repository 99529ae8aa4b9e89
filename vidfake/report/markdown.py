"""The tables of a report as Markdown, for a README or a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vidfake.metrics.comparison import Ranking
from vidfake.metrics.levels import LEVEL_TITLES
from vidfake.metrics.results import DatasetResult, Figure, Section
from vidfake.report.model import EvaluationResult
from vidfake.report.numbers import BLANK, decimal, p_text, percent, span, with_interval
from vidfake.report.text import clean, markdown

_LEVEL_COLUMNS = (
    "level", "rows", "coverage", "AUC", "partial AUC", "AP", "EER", "TPR @ 10 %", "@ 5 %", "@ 1 %", "@ 0.1 %",
)  # fmt: skip


def render(evaluation: EvaluationResult, ranking: Ranking | None = None) -> str:
    """The whole document."""
    parts = [f"# {markdown(evaluation.title)}", "", *_glance(evaluation.results)]
    if evaluation.notes:
        parts += [*(f"- {markdown(note)}" for note in evaluation.notes), ""]
    for result in evaluation.results:
        parts += _result(result)
    if evaluation.comparisons:
        parts += ["## Detectors compared", "", *_comparisons(evaluation)]
    if ranking:
        ranked = [(name, decimal(rank, 2)) for name, rank in ranking.mean_ranks.items()]
        parts += [f"## Detectors ranked over {len(ranking.datasets)} data sets", ""]
        parts += _table(("detector", "mean rank"), ranked)
        parts += [
            f"Friedman p {p_text(ranking.friedman.p_value)}, critical difference "
            f"{decimal(ranking.critical_difference, 2)} ranks.",
            "",
        ]
    if evaluation.corruptions:
        rows = [
            (p.detector, p.dataset, p.kind, p.severity, p.parameter, with_interval(p.auc), percent(p.coverage))
            for p in evaluation.corruptions
        ]
        header = ("detector", "data set", "corruption", "severity", "parameter", "video-level AUC", "coverage")
        parts += ["## Corruptions", "", *_table(header, rows)]
    if evaluation.pooling:
        ways: list[tuple[object, ...]] = [
            (p.way.unit, p.way.track_pooling, p.way.video_pooling, with_interval(p.validation_auc),
             with_interval(p.test_auc) if p.chosen else "")
            for p in evaluation.pooling
        ]  # fmt: skip
        columns = ("over", "clip to track", "to video", "validation AUC", "test AUC of the chosen")
        parts += ["## Pooling, chosen on validation", "", *_table(columns, ways)]
    for title, facts in (("Protocol", evaluation.protocol), *evaluation.data.items()):
        if facts:
            parts += [f"## {markdown(title)}", "", *_table(("", ""), facts.items())]
    if evaluation.command:
        parts += ["## Reproduce", "", *(f"    {clean(line, limit=None)}" for line in evaluation.command), ""]
    if evaluation.environment:
        parts += [*_table(("", ""), evaluation.environment.items())]
    return "\n".join(parts).rstrip() + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(markdown(cell) for cell in row) + " |" for row in rows]
    return [*lines, ""]


def _glance(results: Sequence[DatasetResult]) -> list[str]:
    rows = []
    for result in results:
        section, pairs = result.section("all"), result.section("pairs")
        levels = {row.level: row for row in section.levels} if section else {}
        of_pairs = {row.level: row for row in pairs.levels} if pairs else {}
        main = levels.get(result.headline_level)
        rows.append(
            (
                result.detector,
                result.dataset,
                result.role,
                percent(main.coverage.share) if main else BLANK,
                *(with_interval(levels[n].figures["auc"]) if n in levels else BLANK for n in LEVEL_TITLES),
                with_interval(of_pairs[result.headline_level].figures["auc"])
                if result.headline_level in of_pairs
                else BLANK,
            )
        )
    header = ("detector", "data set", "role", "coverage", *LEVEL_TITLES.values(), "pairs only")
    return [*_table(header, rows), "AUC with 95 % intervals over whole sources.", ""]


def _result(result: DatasetResult) -> list[str]:
    parts = [f"## {markdown(result.detector)} on {markdown(result.dataset)}", ""]
    for section, title in ((result.section("all"), "All rows"), (result.section("pairs"), "Pairs only")):
        if section is not None:
            parts += [f"### {title}", "", *_section(section)]
    for title, header, rows in _details(result):
        if rows:
            parts += [f"### {title}", "", *_table(header, rows)]
    return parts


Rows = list[tuple[object, ...]]


def _details(result: DatasetResult) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Title, header and rows of each further table; one without rows is left out."""
    groups: Rows = [
        (g.kind, g.name, g.against, g.num_real, g.num_fake, with_interval(g.auc), _rate(g.eer))
        for g in result.groups
    ]
    at, chosen, bench = result.at_threshold, result.threshold, result.deepfakebench
    decided: Rows = []
    if at and chosen:
        rates = map(percent, (at.balanced_accuracy, at.tpr, at.fpr))
        decided = [(chosen.rule, decimal(at.threshold), *rates)]
    verdicts: Rows = [
        (v.kind, v.name, "fake" if v.label else "real", v.num_videos, v.num_sources, v.likely_fake, v.inconclusive,
         v.likely_real, v.no_score, _share(v.called_fake))
        for v in result.verdicts
    ]  # fmt: skip
    allowed = percent(result.verdict_false_positive_rate, 0)
    calibration: Rows = [
        (c.method, *(with_interval(f) for f in (c.log_loss, c.brier, c.ece, c.cllr, c.cllr_min)))
        for c in result.calibration
    ]
    policies: Rows = [
        (p.rows, p.policy.replace("_", " "), p.num_videos, *map(with_interval, (p.auc, p.average_precision)),
         _rate(p.eer), _rate(p.balanced_accuracy) if p.balanced_accuracy else BLANK)
        for p in result.policies
    ]  # fmt: skip
    theirs: Rows = []
    if bench:
        areas = decimal(bench.auc), decimal(bench.video_auc)
        theirs = [
            (bench.rows, *areas, percent(bench.eer), decimal(bench.average_precision), percent(bench.accuracy))
        ]
    return [
        ("Parts of the data", ("by", "part", "against", "real", "fake", "AUC", "EER"), groups),
        ("At the threshold chosen on validation", ("rule", "value", "balanced accuracy", "TPR", "FPR"), decided),
        (
            f"Verdicts at the detector's own thresholds (false positives allowed on validation: {allowed})",
            (
                "by",
                "part",
                "truth",
                "videos",
                "sources",
                "likely fake",
                "inconclusive",
                "likely real",
                "no score",
                "called fake",
            ),
            verdicts,
        ),
        ("Calibration", ("method", "log-loss", "Brier", "ECE", "Cllr", "Cllr, best monotone map"), calibration),
        (
            "Videos without a score",
            ("rows", "treated as", "videos", "AUC", "AP", "EER", "balanced accuracy"),
            policies,
        ),
        (
            "DeepfakeBench's definitions on the same scores",
            ("rows", "AUC", '"video" AUC', "EER", "AP", "accuracy at 0.5"),
            theirs,
        ),
    ]


def _share(figure: Figure) -> str:
    """``7.1 % [0.2, 33.9]``."""
    return f"{percent(figure.value)} {span(figure.interval, 1, scale=100)}".rstrip()


def _rate(figure: Figure) -> str:
    return percent(figure.value)


def _section(section: Section) -> list[str]:
    parts = [
        f"{section.num_videos} videos ({section.num_real} real, {section.num_fake} fake) of "
        f"{section.num_sources} sources.",
        "",
    ]
    if section.reason:
        parts += [markdown(section.reason), ""]
    if section.levels:
        rows = []
        for row in section.levels:
            f = row.figures
            rates = (_rate(f[name]) for name in ("eer", "tpr_at_0.1", "tpr_at_0.05", "tpr_at_0.01", "tpr_at_0.001"))
            areas = (with_interval(f[name]) for name in ("auc", "partial_auc", "average_precision"))
            rows.append((LEVEL_TITLES[row.level], row.num_rows, percent(row.coverage.share), *areas, *rates))
        parts += _table(_LEVEL_COLUMNS, rows)
    if section.differences:
        gaps = [
            (f"{LEVEL_TITLES[d.first]} - {LEVEL_TITLES[d.second]}", d.num_videos,
             with_interval(d.auc, signed=True), p_text(d.p_value))
            for d in section.differences
        ]  # fmt: skip
        parts += _table(("paired difference in AUC", "videos", "difference", "p"), gaps)
    if section.pair_wins is not None:
        parts += [f"The fake outscores its own real: {markdown(with_interval(section.pair_wins))} of pairs.", ""]
    return parts


def _comparisons(evaluation: EvaluationResult) -> list[str]:
    rows = [
        (
            c.detector,
            c.control,
            c.dataset,
            c.num_videos,
            with_interval(c.difference, signed=True),
            p_text(c.p_value),
            p_text(c.holm_p_value),
            p_text(c.delong_p_value),
            c.verdict or "",
        )
        for c in evaluation.comparisons
    ]
    header = (
        "detector",
        "control",
        "data set",
        "videos",
        "difference in AUC",
        "p",
        "p (Holm)",
        "p (DeLong)",
        "verdict",
    )
    return _table(header, rows)
