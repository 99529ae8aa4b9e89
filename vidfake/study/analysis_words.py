"""What a study shows and what it cannot, in sentences that are computed from its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vidfake.report.numbers import decimal, percent, span
from vidfake.study.analysis import StudyAnalysis, TaskAnalysis
from vidfake.study.analysis_classes import MACRO
from vidfake.study.analysis_effects import Effect, Family, comparisons_carried
from vidfake.study.analysis_runs import Mean
from vidfake.study.analysis_search import LATE, at_own_bound, rank_correlation, ranking_stability, trends

SHOWN = 6


def conclusions(analysis: StudyAnalysis, task: TaskAnalysis) -> list[str]:
    """What can be concluded of one task."""
    if task.family is None:
        return [f"Nothing can be compared: {task.undefined}"]
    found = [*_family(task.family), *_chance(task.family), *_search(task), *_levels(task), *_readouts(task)]
    found += [*_classes(task), *_variants(task), *_margins(analysis, task)]
    return found


def _family(family: Family) -> list[str]:
    names: dict[str, list[Effect]] = {}
    for effect in family.effects:
        names.setdefault(effect.verdict, []).append(effect)
    k = len(family.effects) + len(family.missing)
    found = []
    if family.refused:
        found.append(f"No claim is made: {family.refused}.")
    elif not family.claims_differences:
        carried = comparisons_carried(family.seeds, family.alpha)
        found.append(
            f"No difference is claimed: {family.seeds} seeds cannot carry {k} comparisons at alpha "
            f"{family.alpha:g}; at least {family.seeds_needed} seeds are needed ({family.seeds} carry "
            f"{carried if carried else 'none'})."
        )
    for verdict, words in (
        ("better", "better than the control"),
        ("worse", "worse than the control"),
        ("different but within the margin", f"different from the control, but by less than {family.margin:g}"),
    ):
        if verdict in names:
            found.append(f"{len(names[verdict])} of {k} losses are {words}: {_list(names[verdict])}.")
    if family.claims_differences and not {"better", "worse", "different but within the margin"} & set(names):
        found.append(f"None of {k} losses is shown to differ from the control.")
    equivalent = names.get("equivalent", [])
    if family.claims_equivalence:
        found.append(
            f"{len(equivalent)} of {k} losses are equivalent to the control within \u00b1{family.margin:g}"
            + (f": {_list(equivalent)}." if equivalent else ".")
        )
    if names.get("undecided"):
        found.append(
            f"{len(names['undecided'])} losses stay undecided: neither a difference nor its absence is shown. "
            "That is no evidence that they are alike."
        )
    return found


def _list(effects: Sequence[Effect]) -> str:
    order = sorted(effects, key=lambda e: -abs(e.difference))
    shown = ", ".join(f"{e.arm} ({decimal(e.difference, signed=True)})" for e in order[:SHOWN])
    return shown + (f" and {len(order) - SHOWN} more" if len(order) > SHOWN else "")


def _chance(family: Family) -> list[str]:
    known = [e for e in family.effects if e.interval is not None and e.seed_error is not None]
    if not known:
        return []
    half = float(np.median([(e.interval.high - e.interval.low) / 2 for e in known if e.interval]))
    seeds = float(np.median([e.seed_error or 0.0 for e in known]))
    videos = float(np.median([e.video_error or 0.0 for e in known]))
    first = known[0]
    found = [
        f"The test has {first.num_videos} videos of {first.num_clusters} independent sources of the rarer class. "
        f"Half of the intervals are narrower than \u00b1{decimal(half)}; an equivalence margin of "
        f"{family.margin:g} {'can' if half < family.margin else 'can hardly'} be shown with that."
    ]
    smallest = family.smallest_detectable()
    if smallest is not None:
        found.append(
            f"A difference below about {decimal(smallest)} would be missed more often than once in five, after "
            "Holm's correction."
        )
    more = "seeds" if seeds > videos else "test people"
    found.append(
        f"Of the two sources of chance, training again moves a difference by {decimal(seeds)} and other test "
        f"people by {decimal(videos)} (standard errors, medians): more {more} would help most."
    )
    return found


def _search(task: TaskAnalysis) -> list[str]:
    ran = [b for b in task.budgets if b.best_so_far]
    if not ran:
        return []
    found = []
    bounds = [b for b in ran if at_own_bound(b.at_bound)]
    late = [b for b in ran if b.late]
    by_chance = decimal(sum(b.at_bound_share for b in ran), 0), decimal((1 - LATE) * len(ran), 0)
    found.append(
        f"{len(bounds)} of {len(ran)} chosen configurations lie at an end of a range of the loss's own "
        f"hyper-parameters, where choosing among the trials at random would give {by_chance[0]}; {len(late)} were "
        f"found in the last quarter of the budget, where chance would give {by_chance[1]}. As far as there are "
        "more than by chance, a wider range or a larger budget might do better."
    )
    tau = ranking_stability(ran)
    if tau is not None:
        found.append(
            "The order of the losses on validation at half the budget agrees with that at the whole with Kendall's "
            f"tau {decimal(tau, 2)}" + (": the ranking depends on the budget." if tau < 0.7 else ".")
        )
    failed = sum(b.failed_trials for b in ran)
    if failed:
        found.append(f"{failed} trials failed; they count as spent.")
    figures = task.figures[task.family.test] if task.family else {}
    rho = _rho(_both((task.objectives[arm], row["video_auc"]) for arm, row in figures.items()))
    if rho is not None:
        found.append(
            f"Validation and test order the losses alike with Spearman's rho {decimal(rho, 2)}"
            + (": the best on validation need not be the best on the test." if rho < 0.5 else ".")
        )
    return found


def _levels(task: TaskAnalysis) -> list[str]:
    if task.family is None:
        return []
    pairs = _both((r["frame_auc"], r["video_auc"]) for r in task.figures[task.family.test].values())
    if not pairs:
        return []
    frame, video = zip(*pairs, strict=True)
    found = [
        f"Frame-level AUC spans {decimal(min(frame))} to {decimal(max(frame))} over the losses, video-level "
        f"{decimal(min(video))} to {decimal(max(video))}. They are figures of different things and of different "
        "heads: the frame head is trained beside the loss, on frame labels."
    ]
    rho = _rho(pairs)
    if rho is not None:
        found.append(f"Frame level and video level order the losses alike with Spearman's rho {decimal(rho, 2)}.")
    apart = [e for e in task.levels if e.interval is not None and not (e.interval.low <= 0 <= e.interval.high)]
    if task.levels:
        up = sum(e.difference > 0 for e in apart)
        found.append(
            f"For {up} of {len(task.levels)} losses the temporal model is above its own frames averaged, with an "
            f"interval that leaves out 0, for {len(apart) - up} below (exploratory)."
        )
    return found


def _readouts(task: TaskAnalysis) -> list[str]:
    found = []
    names = list(dict.fromkeys(name for row in task.readouts.values() for name in row))
    for name in ("prototype", "probe", "knn"):
        if name not in names or "native" not in names:
            continue
        pairs = _both((row.get("native"), row.get(name)) for row in task.readouts.values())
        rho = _rho(pairs)
        if rho is not None:
            gap = float(np.mean([b - a for a, b in pairs]))
            found.append(
                f"Read out by {name} in place of the loss's own score, AUC changes by {decimal(gap, signed=True)} "
                f"on average, and the order of {len(pairs)} losses agrees with Spearman's rho {decimal(rho, 2)}."
            )
    return found


def _classes(task: TaskAnalysis) -> list[str]:
    test = task.class_test
    values = [m.value for row in task.attribution.get(test, {}).values() if (m := row[MACRO])]
    if not values:
        return []
    found = f"On '{test}' macro-F1 spans {decimal(min(values))} to {decimal(max(values))} over the losses"
    rows = task.classes[test].figures.values() if test in task.classes else ()
    effects = [row[MACRO].effect for row in rows if MACRO in row]
    known = [e for e in effects if e is not None and e.interval is not None]
    if not known:
        return [f"{found}."]
    above = sum(e.interval.low > 0 for e in known if e.interval)
    below = sum(e.interval.high < 0 for e in known if e.interval)
    return [
        f"{found}; the interval of the difference from the control leaves out 0 for {above} of {len(known)} losses "
        f"above it and {below} below (exploratory: some do by chance)."
    ]


def _variants(task: TaskAnalysis) -> list[str]:
    of = task.variants
    if of is None:
        return []
    found = []
    known = {name: e for name, e in of.overall.items() if e.interval is not None}
    if known:
        shown = ", ".join(
            f"{name} {decimal(e.difference, signed=True)} {span(e.interval, signed=True)}"
            for name, e in known.items()
        )
        found.append(
            f"Under the same loss, against '{of.control}' on '{of.test}', on the mean of {len(of.averaged)} losses "
            f"(exploratory): {shown}."
        )
    across, within = of.spread_over_variants(), of.spread_over_losses()
    if across is not None and within is not None:
        found.append(
            f"From the lowest to the highest of {len(of.names)} variants under one loss video AUC changes by "
            f"{decimal(across)} (median over losses), from the lowest to the highest of {len(of.averaged)} losses "
            f"under one variant by {decimal(within)} (median over variants). Chance widens both, the range of more "
            "the more."
        )
    return found


def _both(rows: Iterable[tuple[Mean | None, Mean | None]]) -> list[tuple[float, float]]:
    """The values of those that have both."""
    return [(a.value, b.value) for a, b in rows if a is not None and b is not None]


def _rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    return rank_correlation([a for a, _ in pairs], [b for _, b in pairs])


def _margins(analysis: StudyAnalysis, task: TaskAnalysis) -> list[str]:
    found = []
    for kind in ("margin", "scale"):
        rows = trends(analysis.runs, task.task, kind)
        if rows:
            values = [row.correlation for row in rows]
            found.append(
                f"With {task.num_classes} classes a larger {kind} goes with a higher validation objective in "
                f"{sum(v > 0 for v in values)} of {len(values)} searches (median rank correlation "
                f"{decimal(float(np.median(values)), 2, signed=True)}, over trials that differ in more than that)."
            )
    return found


def limits(analysis: StudyAnalysis) -> list[str]:
    """What the study cannot show, whatever its figures are."""
    study = analysis.runs.state.study
    found = []
    roles = {test.role for test in study.tests}
    if "cross_dataset" not in roles:
        found.append("No test is of another corpus: nothing is said of how the losses carry over to other data.")
    if len(study.tests) < 2:
        found.append("There is one test; no loss is shown to be better or worse in general.")
    if study.mode == "cached":
        found.append(
            "The encoder is frozen and the same for all; losses that would shape an encoder's features differently "
            "when trained end to end are not told apart here."
        )
    for task in analysis.tasks:
        if task.family and task.family.effects and any(len(b) > 1 for b in task.blocks):
            shared = "; ".join(" and ".join(b) for b in task.blocks if len(b) > 1)
            found.append(f"Tests that share people are no separate evidence ({task.task}: {shared}).")
        found += _without_classes(analysis, task)
    found.append(
        f"All statements hold for these data, this network and {study.trials} trials per loss. Figures outside the "
        "declared family are exploratory and carry no claims."
    )
    return list(dict.fromkeys(found))


def _without_classes(analysis: StudyAnalysis, task: TaskAnalysis) -> list[str]:
    """Whether macro-F1 has no interval, and why."""
    test = task.class_test
    if not test:
        return []
    runs = [r for a in task.attribution[test] for r in analysis.runs.finished(task.task, a)]
    without = sum(test not in r.classes for r in runs)
    if without:
        return [
            f"Macro-F1 of {without} of {len(runs)} final runs has deviations over seeds only: they kept no class "
            "scores per video (results of format 1), so that nothing is said of other test people."
        ]
    undefined = task.classes[test].undefined if test in task.classes else ""
    return [f"Macro-F1 has deviations over seeds only: {undefined}"] if undefined else []


def headline(task: TaskAnalysis) -> str:
    """One line: how many losses differ, are equivalent, undecided."""
    if task.family is None:
        return task.undefined
    verdicts = [e.verdict for e in task.family.effects]
    words = ("better", "worse", "different but within the margin", "equivalent", "undecided", "no claim")
    parts = [f"{verdicts.count(w)} {w}" for w in words if w in verdicts]
    if task.family.missing:
        parts.append(f"{len(task.family.missing)} without a comparison")
    coverage = [r["coverage"].value for r in task.figures[task.family.test].values() if r["coverage"]]
    seen = f"; coverage {percent(float(np.mean(coverage)))}" if coverage else ""
    return ", ".join(parts) + seen
