"""Text from outside, made safe to show: file names and ids are hostile input.

Escaping is the job of each format (HTML by autoescape, Markdown, LaTeX and CSV here); this module first takes out
what no escaping helps against: control characters, and the invisible ones that turn text round or hide it.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

MAX_SHOWN = 160
_INVISIBLE = {
    *range(0x200B, 0x2010),  # zero-width, left-to-right and right-to-left marks
    *range(0x2028, 0x202F),  # line separators, embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, isolates, deprecated shaping
    0x061C, 0x115F, 0x1160, 0x180E, 0x3164, 0xFEFF, 0xFFA0,
}  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u00b1": r"$\pm$",
    "\u2026": r"\ldots{}",
    "\ufffd": "?",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_IN_SENTENCES = "\\`*_{}[]<>#|~&!"  # the rest means something at the start of a line only
_MARKDOWN = "\\`*_{}[]()<>#+-.!|~&"


def clean(text: object, *, limit: int | None = MAX_SHOWN) -> str:
    """`text` with every control, format and lone-surrogate character replaced by U+FFFD, cut to `limit`."""
    shown = "".join("\ufffd" if _is_harmful(c) else c for c in str(text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def _is_harmful(character: str) -> bool:
    return ord(character) in _INVISIBLE or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")


def markdown(text: object) -> str:
    """`text` as literal Markdown in one line or table cell."""
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in clean(text))


def markdown_sentence(text: object) -> str:
    """A whole sentence as literal Markdown within a line: not cut, and readable as it is."""
    return "".join(f"\\{c}" if c in _IN_SENTENCES else c for c in clean(text, limit=None))


def latex(text: object) -> str:
    """`text` as literal LaTeX."""
    return "".join(_LATEX.get(c, c if c.isprintable() and ord(c) < 0x250 else "?") for c in clean(text))


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A CSV file: texts made harmless (`csv_cell`), numbers at full precision, None as nothing."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if v is None else csv_cell(v) if isinstance(v, str) else v for v in row] for row in rows)
    return buffer.getvalue()


def csv_cell(text: object) -> str:
    """`text` for a spreadsheet: never taken for a formula. Numbers do not pass through here."""
    shown = clean(text, limit=None)
    return f"'{shown}" if shown.lstrip(" \u00a0").startswith(_FORMULA) else shown
