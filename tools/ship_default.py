"""A trained run becomes the detector that ships, or the card of that detector is renewed: tools/ship_default."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidfake.cli import display
from vidfake.default import shipped
from vidfake.default.card import DataUsed, ModelCard, read_card, write_card
from vidfake.default.figures import add_figures
from vidfake.default.recipe import data_used, training_records
from vidfake.default.render import markdown
from vidfake.default.ship import CardFields, Parity, hashes, read_fields, ship, with_fields
from vidfake.errors import UsageError, VidfakeError
from vidfake.files import write_text

START, END = "<!-- card -->", "<!-- /card -->"


def into_page(page: Path, card: ModelCard) -> None:
    """The card between the two marks of a page. Raises UsageError where the marks are missing."""
    text = page.read_text("utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise UsageError(f"{page}: needs one line {START} and below it one line {END}; the card goes between them.")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    write_text(page, f"{before}{START}\n\n{markdown(card)}\n{END}{after}")


def say_parity(parity: Parity, precision: str) -> None:
    """How far half precision moves scores, and which one ships."""
    display.say(
        f"Half against single precision on random clips: clip scores differ by at most "
        f"{parity.clip_difference:.2e}, frame scores by {parity.frame_difference:.2e}; {parity.relative:.2e} of "
        f"1 + |score|. Shipped in {precision} precision."
    )


def run(
    source: Path | None,
    out: Path,
    *,
    card: Path | None = None,
    data: Sequence[Path] = (),
    reports: Sequence[Path] = (),
    page: Path | None = None,
) -> ModelCard:
    """All of it; returns the card that was written."""
    fields = CardFields() if card is None else read_fields(card)
    if len(data) > 2:
        raise UsageError(f"--data was given {len(data)} times; it takes the videos' manifest and the photographs'.")
    used: tuple[DataUsed, ...] = data_used(training_records(*data)) if data else ()
    if source is not None:
        found, parity = ship(source, out, fields=fields, data=used)
        say_parity(parity, found.weights.precision)
    else:
        before = read_card(out)
        if before is None:
            raise UsageError(f"{out}: no card there to renew. Name the run to ship: tools/ship_default RUN")
        found = with_fields(replace(before, data=used or before.data), fields)
    if reports:
        found = add_figures(found, list(reports))
    write_card(out, found)
    if page is not None:
        into_page(page, found)
    display.print_table(
        f"{found.name}, {sum(p.stat().st_size for p in out.iterdir()) / 1e6:.1f} MB in {out}",
        ("file", "SHA-256"),
        list(hashes(out).items()),
    )
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/ship_default", description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, help="run folder or checkpoint; without it the weights stay")
    parser.add_argument(
        "--card", type=Path, metavar="FIELDS.toml", help="what only people know (default_card.toml)"
    )
    parser.add_argument(
        "--data", type=Path, action="append", default=[], help="manifest of training, twice at most"
    )
    parser.add_argument("--report", type=Path, action="append", default=[], help="report.json of vidfake evaluate")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER, help="default: inside the package")
    parser.add_argument(
        "--docs", type=Path, metavar="PAGE.md", help=f"page that gets the card between {START} marks"
    )
    given = parser.parse_args(arguments)
    try:
        run(given.run, given.out, card=given.card, data=given.data, reports=given.report, page=given.docs)
    except VidfakeError as error:
        display.say(f"tools/ship_default {shlex.join(map(str, arguments))}: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
