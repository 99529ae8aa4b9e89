"""The drawings of a study's report, as SVG in the page's colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidfake.metrics.segments import Float64Array
from vidfake.report.charts import nice_ticks
from vidfake.report.numbers import decimal
from vidfake.report.svg import NUM_COLOURS, Plot, linear
from vidfake.study.analysis_effects import Family
from vidfake.study.analysis_ranks import RankRange
from vidfake.study.analysis_search import Budget, HeatMap
from vidfake.study.report_cells import metric_text

Curve = tuple[Sequence[float], Sequence[float | None]]
ROW = 22
LEFT = 200


@dataclass
class Board(Plot):
    """A `Plot` with the marks that a study needs."""

    def segment(self, x0: float, x1: float, y: float, colour: int, width: float) -> None:
        """A level line of a width."""
        points = self._points([x0, x1], [y, y])
        self._marks.append(
            f'<polyline class="line s{colour % NUM_COLOURS}" points="{points}" stroke-linecap="butt" '
            f'style="stroke-width:{width:g}"/>'
        )

    def dots(self, xs: Sequence[float], ys: Sequence[float], colour: int, size: float = 3.5) -> None:
        """Many round dots as one path."""
        path = "".join("M{:.0f} {:.0f}h0".format(*self._at(x, y)) for x, y in zip(xs, ys, strict=True))
        self._marks.append(
            f'<path class="line s{colour % NUM_COLOURS}" d="{path}" stroke-linecap="round" '
            f'style="stroke-width:{size:g};opacity:.55"/>'
        )

    def area_between(self, low: float, high: float, colour: int) -> None:
        """A shaded upright band over the whole height."""
        top, bottom = self._at(low, float("inf"))[1], self._at(low, float("-inf"))[1]
        left, right = self._at(low, 0)[0], self._at(high, 0)[0]
        points = f"{left:.1f},{top:.1f} {right:.1f},{top:.1f} {right:.1f},{bottom:.1f} {left:.1f},{bottom:.1f}"
        self._marks.append(f'<polygon class="band s{colour % NUM_COLOURS}" points="{points}"/>')

    def cell(self, x0: float, x1: float, y0: float, y1: float, share: float, text: str) -> None:
        """A cell of a heat map, the darker the larger `share` (0 to 1), with its text."""
        (left, bottom), (right, top) = self._at(x0, y0), self._at(x1, y1)
        opacity = 0.06 + 0.6 * min(max(share, 0.0), 1.0)
        self._marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'style="fill:var(--accent);fill-opacity:{opacity:.2f};stroke:var(--paper)"/>'
            f'<text x="{(left + right) / 2:.1f}" y="{(top + bottom) / 2 + 4:.1f}" text-anchor="middle" '
            f'style="fill:var(--ink);font:11px system-ui,sans-serif">{text}</text>'
        )


def effects_chart(family: Family, title: str) -> str:
    """Differences from the control: interval (thin), the band of the equivalence test (thick), margin (shaded)."""
    known = sorted((e for e in family.effects if e.interval), key=lambda e: e.difference)
    if not known:
        return ""
    lows = [e.interval.low for e in known if e.interval]
    highs = [e.interval.high for e in known if e.interval]
    low, high = min(*lows, -2 * family.margin), max(*highs, 2 * family.margin)
    rows = len(known)
    board = Board(
        title,
        linear(low, high),
        linear(-0.6, rows - 0.4),
        nice_ticks(low, high),
        [(i, e.arm) for i, e in enumerate(known)],
        f"difference in {metric_text(family.metric)}",
        "",
        width=880,
        height=70 + ROW * rows,
        left=LEFT,
    )
    board.area_between(-family.margin, family.margin, 2)
    board.guide((0, 0), (-0.6, rows - 0.4))
    colours = {"better": 2, "worse": 4, "equivalent": 3, "different but within the margin": 5}
    for i, effect in enumerate(known):
        colour = colours.get(effect.verdict, 0)
        if effect.interval and effect.band:
            board.segment(effect.interval.low, effect.interval.high, i, colour, 1.5)
            board.segment(effect.band.low, effect.band.high, i, colour, 4.0)
        board.dots([effect.difference], [i], colour, 9)
    for verdict, colour in colours.items():
        if any(e.verdict == verdict for e in known):
            board.name(colour, verdict)
    if any(e.verdict not in colours for e in known):
        board.name(0, "undecided, or no claim")
    board.note(
        f"shaded: margin \u00b1{family.margin:g}; thin: {100 * (1 - family.alpha):g} % interval; "
        f"thick: {100 * (1 - 2 * family.alpha):g} %"
    )
    return board.svg()


def rank_chart(ranks: Sequence[RankRange], title: str) -> str:
    """Rank of each arm with the range over resampled seeds and sources."""
    if not ranks:
        return ""
    rows = list(reversed(ranks))
    number = len(rows)
    ticks = [t for t in nice_ticks(1, max(number, 2)) if float(t[0]).is_integer()]
    board = Board(
        title,
        linear(0.5, number + 0.5),
        linear(-0.6, number - 0.4),
        ticks,
        [(i, r.arm) for i, r in enumerate(rows)],
        "rank (1 is best)",
        "",
        width=880,
        height=70 + ROW * number,
        left=LEFT,
    )
    for i, row in enumerate(rows):
        board.segment(row.low, row.high, i, 3, 3)
        board.dots([row.rank], [i], 3, 9)
    return board.svg()


def curves_chart(curves: Mapping[str, Curve], title: str, x: str, y: str) -> Iterator[str]:
    """Lines, at most as many in one drawing as there are colours."""
    known = {
        n: [(a, b) for a, b in zip(*c, strict=True) if b is not None and np.isfinite(b)] for n, c in curves.items()
    }
    known = {name: points for name, points in known.items() if points}
    names = list(known)
    flat = [p for points in known.values() for p in points]
    if not flat:
        return
    xs, ys = ([p[i] for p in flat] for i in (0, 1))
    left, right = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1
    low, high = min(ys), max(ys)
    pad = 0.04 * (high - low) or 0.01
    for start in range(0, len(names), NUM_COLOURS):
        part = names[start : start + NUM_COLOURS]
        many = f" ({start // NUM_COLOURS + 1})" if len(names) > NUM_COLOURS else ""
        board = Board(
            f"{title}{many}",
            linear(left, right),
            linear(low - pad, high + pad),
            nice_ticks(left, right, 6),
            nice_ticks(low - pad, high + pad, 6),
            x,
            y,
            left=64,
        )
        for colour, name in enumerate(part):
            board.line([a for a, _ in known[name]], [b for _, b in known[name]], colour)
            board.name(colour, name)
        yield board.svg()


def best_so_far_charts(budgets: Sequence[Budget], families: Mapping[str, str]) -> list[str]:
    """Best validation objective against trials, by family of losses."""
    drawn: list[str] = []
    for family in dict.fromkeys(families.values()):
        curves: dict[str, Curve] = {
            b.arm: (range(1, len(b.best_so_far) + 1), b.best_so_far) for b in budgets if families[b.arm] == family
        }
        drawn += curves_chart(curves, f"Best so far: {family}", "trials", "validation objective")
    return drawn


def heat_chart(
    title: str,
    columns: Sequence[str],
    rows: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    *,
    x: str = "",
    y: str = "",
    scale: tuple[float, float] | None = None,
    wide: bool = False,
) -> str:
    """A heat map with its values; an empty cell where there is none. The first row is at the top."""
    known = [v for row in cells for v in row if v is not None]
    if not known:
        return ""
    low, high = scale or (min(known), max(known))
    number = len(rows)
    board = Board(
        title,
        linear(0, len(columns)),
        linear(0, number),
        [(i + 0.5, c) for i, c in enumerate(columns)],
        [(number - i - 0.5, r) for i, r in enumerate(rows)],
        x,
        y,
        width=880 if wide else 430,
        height=70 + (ROW if wide else 34) * number,
        left=LEFT if wide else 76,
    )
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            if value is not None:
                share = (value - low) / (high - low) if high > low else 0.5
                board.cell(j, j + 1, number - i - 1, number - i, share, decimal(value))
    return board.svg()


def sensitivity_charts(maps: Sequence[HeatMap]) -> list[str]:
    """Mean validation objective of trials over two hyper-parameters; one scale of colours for all."""
    known = [v for m in maps for row in m.cells for v in row if v is not None]
    if not known:
        return []
    low, high = (float(q) for q in np.quantile(known, [0.02, 1.0]))
    short = [(m, m.x.rpartition(".")[2], m.y.rpartition(".")[2]) for m in maps]
    return [
        heat_chart(
            m.arm, m.x_labels, list(reversed(m.y_labels)), list(reversed(m.cells)), x=x, y=y, scale=(low, high)
        )
        for m, x, y in short
    ]


def map_chart(title: str, points: Float64Array, labels: Sequence[int], names: Sequence[str]) -> str:
    """A map of (n, 2) points by class."""
    (left, low), (right, high) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    board = Board(
        title, linear(left, right or 1.0), linear(low, high or 1.0), [], [], width=330, height=260, left=20
    )
    given = np.asarray(labels)
    for c in sorted(set(given.tolist())):
        chosen = points[given == c]
        board.dots(chosen[:, 0].tolist(), chosen[:, 1].tolist(), c)
        board.name(c, names[c] if c < len(names) else str(c))
    return board.svg()
