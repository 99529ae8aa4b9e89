"""A trained run becomes the detector that ships, or the card of that detector is renewed: tools/ship_default."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidfake.cli import display
from vidfake.config import from_dict, read_toml
from vidfake.default import shipped
from vidfake.default.card import DataUsed, ModelCard, read_card, write_card
from vidfake.default.figures import add_figures
from vidfake.default.recipe import data_used, training_records
from vidfake.default.render import markdown
from vidfake.default.ship import CardFields, Parity, hashes, ship
from vidfake.errors import UsageError, VidfakeError
from vidfake.files import write_text

START, END = "<!-- card -->", "<!-- /card -->"


def fields_of(path: Path | None) -> CardFields:
    """The hand-written part of a card. Raises ConfigError for unknown keys or wrong types."""
    return CardFields() if path is None else from_dict(CardFields, read_toml(path))


def renewed(card: ModelCard, fields: CardFields) -> ModelCard:
    """The card with the hand-written parts that `fields` gives."""
    own = ("licence", "date", "summary", "intended_use", "not_for", "fails", "data")
    given = {name: getattr(fields, name) for name in own if getattr(fields, name)}
    training = {name: getattr(fields, name) for name in ("command", "hardware", "minutes") if getattr(fields, name)}
    return replace(card, training=replace(card.training, **training), **given)


def into_page(page: Path, card: ModelCard) -> None:
    """The card between the two marks of a page. Raises UsageError where the marks are missing."""
    text = page.read_text("utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise UsageError(f"{page}: needs one line {START} and below it one line {END}; the card goes between them.")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    write_text(page, f"{before}{START}\n\n{markdown(card)}\n{END}{after}")


def say_parity(parity: Parity) -> None:
    """How far half precision moves scores."""
    display.say(
        f"Half against single precision on random clips: clip scores differ by at most "
        f"{parity.clip_difference:.2e}, frame scores by {parity.frame_difference:.2e}; {parity.relative:.2e} of "
        "1 + |score|."
    )


def kept_figures(new: ModelCard, old: ModelCard | None) -> ModelCard:
    """Figures measured before, if they are of the very same weights."""
    if old is None or old.weights.sha256 != new.weights.sha256:
        return new
    return replace(
        new, measured=old.measured, verdicts=old.verdicts, parts=old.parts, measured_with=old.measured_with
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
    fields = fields_of(card)
    if len(data) > 2:
        raise UsageError(f"--data was given {len(data)} times; it takes the videos' manifest and the photographs'.")
    used: tuple[DataUsed, ...] = data_used(training_records(*data)) if data else ()
    before = read_card(out)
    if source is not None:
        found, parity = ship(source, out, fields=fields, data=used)
        found = kept_figures(found, before)
        say_parity(parity)
    elif before is None:
        raise UsageError(f"{out}: no card there to renew. Name the run to ship: tools/ship_default RUN")
    else:
        found = renewed(before, fields)
        found = replace(found, data=used) if used else found
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
