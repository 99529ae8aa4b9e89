"""How figures are written: three decimals, intervals in brackets, an en dash for what does not exist."""

from __future__ import annotations

from vidfake.metrics.bootstrap import Interval
from vidfake.metrics.results import Figure

BLANK = "–"
MINUS = "\u2212"


def decimal(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """``0.934``; with `signed` always ``+`` or a true minus sign."""
    if value is None:
        return BLANK
    text = f"{abs(value):.{digits}f}"
    negative = value < 0 and float(text) != 0
    return f"{MINUS if negative else '+' if signed else ''}{text}"


def percent(value: float | None, digits: int = 1) -> str:
    """``93.4 %``."""
    return BLANK if value is None else f"{decimal(100 * value, digits)} %"


def span(interval: Interval | None, digits: int = 3, *, scale: float = 1.0, signed: bool = False) -> str:
    """``[0.912, 0.951]``, or nothing where there is no interval."""
    if interval is None:
        return ""
    low, high = (decimal(scale * bound, digits, signed=signed) for bound in (interval.low, interval.high))
    return f"[{low}, {high}]"


def with_interval(figure: Figure | None, digits: int = 3, *, signed: bool = False) -> str:
    """A figure and its interval in one text."""
    if figure is None or figure.value is None:
        return BLANK
    return f"{decimal(figure.value, digits, signed=signed)} {span(figure.interval, digits, signed=signed)}".rstrip()


def p_text(p: float | None) -> str:
    """``0.032``, ``< 0.001``."""
    if p is None:
        return BLANK
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def clock(seconds: float | None) -> str:
    """``1:02.5`` of a time in a video."""
    if seconds is None:
        return BLANK
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"
