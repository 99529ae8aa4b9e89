"""A small drawing board: axes, lines, bands and bars as SVG text, with every label escaped.

Colours are the page's CSS classes ``s0`` … ``s7``, so that a drawing follows light and dark mode and prints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from vidfake.report.text import clean

NUM_COLOURS = 8
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44
MAX_TICK_LABEL = 28

Scale = Callable[[float], float]
"""A value on an axis -> 0..1 along it."""


def linear(low: float, high: float) -> Scale:
    """The plain scale from `low` to `high`."""
    return lambda value: (value - low) / (high - low)


@dataclass
class Plot:
    """One drawing of `width` × `height` pixels. `x`, `y` are scales; ticks are (value, label) pairs."""

    title: str
    x: Scale
    y: Scale
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    x_label: str = ""
    y_label: str = ""
    width: int = 430
    height: int = 350
    left: int = LEFT
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[int, str]] = field(default_factory=list)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        across, up = (min(max(scale(v), 0.0), 1.0) for scale, v in ((self.x, x), (self.y, y)))
        return (
            self.left + across * (self.width - self.left - RIGHT),
            self.height - BOTTOM - up * (self.height - TOP - BOTTOM),
        )

    def _points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join("{:.1f},{:.1f}".format(*self._at(x, y)) for x, y in zip(xs, ys, strict=True))

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: int, *, dots: bool = False) -> None:
        """A line through the points, optionally with a dot on each."""
        self._marks.append(f'<polyline class="line s{colour % NUM_COLOURS}" points="{self._points(xs, ys)}"/>')
        if dots:
            for x, y in zip(xs, ys, strict=True):
                across, up = self._at(x, y)
                self._marks.append(
                    f'<circle class="dot s{colour % NUM_COLOURS}" cx="{across:.1f}" cy="{up:.1f}" r="3"/>'
                )

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], colour: int) -> None:
        """A shaded band between two lines."""
        outline = f"{self._points(xs, low)} {self._points(list(reversed(xs)), list(reversed(high)))}"
        self._marks.append(f'<polygon class="band s{colour % NUM_COLOURS}" points="{outline}"/>')

    def area(self, xs: Sequence[float], ys: Sequence[float], colour: int) -> None:
        """A line filled down to the axis."""
        base = self.height - BOTTOM
        left, right = (self._at(x, 0)[0] for x in (xs[0], xs[-1]))
        points = f"{left:.1f},{base} {self._points(xs, ys)} {right:.1f},{base}"
        self._marks.append(f'<polygon class="area s{colour % NUM_COLOURS}" points="{points}"/>')

    def guide(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """A thin dashed line, such as chance."""
        self._marks.append(f'<polyline class="guide" points="{self._points(xs, ys)}"/>')

    def bar(self, low: float, high: float, y: float, *, guide: bool = False) -> None:
        """A thick level bar from `low` to `high`, or a dashed one."""
        points = self._points([low, high], [y, y])
        self._marks.append(f'<polyline class="{"guide" if guide else "bar"}" points="{points}"/>')

    def note(self, text: str) -> None:
        """A line of text in the legend, without a colour."""
        self._legend.append((-1, clean(text)))

    def name(self, colour: int, label: str) -> None:
        """An entry of the legend below the drawing."""
        self._legend.append((colour % NUM_COLOURS, clean(label, limit=60)))

    def svg(self) -> str:
        """The drawing, a self-contained ``<figure>``."""
        bottom, right = self.height - BOTTOM, self.width - RIGHT
        parts = [
            f'<figure class="plot"><figcaption>{escape(clean(self.title))}</figcaption>'
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(clean(self.title))}">'
        ]
        for value, label in self.x_ticks:
            across = self._at(value, 0)[0]
            parts.append(f'<line class="grid" x1="{across:.1f}" y1="{TOP}" x2="{across:.1f}" y2="{bottom}"/>')
            parts.append(_text("tick", across, bottom + 16, label, "middle"))
        for value, label in self.y_ticks:
            up = bottom - min(max(self.y(value), 0.0), 1.0) * (bottom - TOP)
            parts.append(f'<line class="grid" x1="{self.left}" y1="{up:.1f}" x2="{right}" y2="{up:.1f}"/>')
            parts.append(_text("tick", self.left - 7, up + 4, label, "end"))
        parts += self._marks
        parts.append(f'<path class="axis" d="M{self.left} {TOP}V{bottom}H{right}"/>')
        parts.append(_text("label", (self.left + right) / 2, self.height - 8, self.x_label, "middle"))
        half = (TOP + bottom) / 2
        turned = _text("label", 13, half, self.y_label, "middle")
        parts.append(f'<g transform="rotate(-90 13 {half})">{turned}</g></svg>')
        if self._legend:
            keys = ["" if colour < 0 else f'<i class="key s{colour}"></i>' for colour, _ in self._legend]
            entries = "".join(
                f"<li>{k}{escape(label)}</li>" for k, (_, label) in zip(keys, self._legend, strict=True)
            )
            parts.append(f'<ul class="legend">{entries}</ul>')
        return "".join(parts) + "</figure>"


def _text(kind: str, x: float, y: float, label: str, anchor: str) -> str:
    shown = escape(clean(label, limit=MAX_TICK_LABEL if kind == "tick" else None))
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'
