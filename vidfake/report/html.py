"""The HTML of a report: one file without scripts or outside references, every text escaped."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from vidfake.metrics.comparison import Ranking
from vidfake.metrics.levels import LEVEL_TITLES
from vidfake.metrics.results import DatasetResult, Figure, WorstError
from vidfake.report import numbers
from vidfake.report.charts import charts_of, corruption_curves, critical_difference
from vidfake.report.model import EvaluationResult, Media, MediaOf
from vidfake.report.text import clean

MAX_THUMBNAIL_BYTES = 256 * 2**10
_JPEG_START = b"\xff\xd8\xff"


def figure_cell(figure: Figure | None, *, digits: int = 3, scale: float = 1.0, signed: bool = False) -> Markup:
    """A figure over its interval; a dash, or a figure without an interval, tells why when pointed at."""
    if figure is None or figure.value is None:
        reason = clean(figure.reason if figure else "not given", limit=400)
        return Markup('<span class="blank" title="{}">{}</span>').format(reason, numbers.BLANK)
    value = numbers.decimal(scale * figure.value, digits, signed=signed)
    band = numbers.span(figure.interval, digits, scale=scale, signed=signed)
    if not band and figure.reason:
        return Markup('<span class="blank" title="{}">{}</span>').format(clean(figure.reason, limit=400), value)
    return Markup("{}{}").format(value, Markup("<small>{}</small>").format(band) if band else "")


def thumbnail_uri(media: Media | None) -> str:
    """A ``data:`` address of the thumbnail, or an empty text. Raises ValueError for anything but a small JPEG."""
    if media is None or media.thumbnail is None:
        return ""
    if not media.thumbnail.startswith(_JPEG_START) or len(media.thumbnail) > MAX_THUMBNAIL_BYTES:
        raise ValueError(
            f"a thumbnail must be a JPEG of at most {MAX_THUMBNAIL_BYTES // 1024} KiB, got "
            f"{len(media.thumbnail)} bytes that start with {media.thumbnail[:4]!r}"
        )
    return "data:image/jpeg;base64," + base64.b64encode(media.thumbnail).decode("ascii")


def video_link(media: Media | None, seconds: float | None) -> str:
    """A ``file:`` address of the video, opened at the time, or an empty text."""
    if media is None or media.path is None:
        return ""
    address = Path(media.path).resolve().as_uri()
    return address if seconds is None else f"{address}#t={seconds:.1f}"


def render(evaluation: EvaluationResult, media: MediaOf, ranking: Ranking | None = None) -> str:
    """The whole page."""
    pages = environment()
    pages.globals.update(
        figure=figure_cell,
        n=numbers,
        level_title=LEVEL_TITLES.get,
        charts=[_as_markup(charts_of(result)) for result in evaluation.results],
        corruption_charts=_corruption_charts(evaluation),
        ranking=ranking,
        ranking_chart=Markup(critical_difference(ranking)) if ranking else "",
        gallery=[_gallery(result, media) for result in evaluation.results],
    )
    return pages.get_template("report.html").render(e=evaluation)


def environment() -> jinja2.Environment:
    """Templates of this package; every text that enters a page is escaped, and cleaned of what escaping leaves."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("vidfake.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: Any) -> Any:
    """Every text that enters the page is cleaned; the drawings and cells made here already are."""
    return clean(value, limit=None) if isinstance(value, str) and not isinstance(value, Markup) else value


def _as_markup(drawn: dict[str, list[str]]) -> dict[str, list[Markup]]:
    return {name: [Markup(svg) for svg in drawings] for name, drawings in drawn.items()}


def _corruption_charts(evaluation: EvaluationResult) -> list[Markup]:
    sets = dict.fromkeys((point.detector, point.dataset) for point in evaluation.corruptions)
    return [
        Markup(
            corruption_curves(
                [p for p in evaluation.corruptions if (p.detector, p.dataset) == key], f"{key[0]} on {key[1]}"
            )
        )
        for key in sets
    ]


def _gallery(result: DatasetResult, media: MediaOf) -> dict[str, list[dict[str, Any]]]:
    """The worst errors of each kind with what can be shown of them."""

    def entry(error: WorstError) -> dict[str, Any]:
        found = media.get((result.dataset, error.video_id))
        return {
            "error": error,
            "thumbnail": Markup(thumbnail_uri(found)),
            "link": video_link(found, error.seconds),
        }

    return {
        "Reals that look fake": [entry(error) for error in result.worst if error.label == 0],
        "Fakes that look real": [entry(error) for error in result.worst if error.label == 1],
    }
