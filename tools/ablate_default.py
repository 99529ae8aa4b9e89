"""An ablation of the default detector's recipe, on validation only. See tools/ablate_default."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vidfake.cli import display
from vidfake.cli.options import worker_count
from vidfake.config import apply_override, read_toml
from vidfake.default.ablation import ablate, markdown, read_variants
from vidfake.default.recipe import SMOKE, fewest, training_records, written
from vidfake.errors import VidfakeError
from vidfake.files import write_text

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_detector.toml"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/ablate_default", description=__doc__)
    parser.add_argument("videos", type=Path, help="manifest of videos; only split=train and split=validation")
    parser.add_argument("images", type=Path, help="manifest of photographs")
    parser.add_argument("variants", type=Path, help="TOML: one table per variant, the first is the baseline")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, required=True, help="of every variant")
    parser.add_argument(
        "--seed", dest="seeds", type=int, action="append", metavar="N", help="repeatable; default 0"
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help="the base of all variants")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--store", type=Path, help="a finished clip store of these rows, so that none is made")
    parser.add_argument("--smoke", action="store_true", help="a few videos, to try the machinery")
    parser.add_argument("--workers", type=int, default=0, help="of prepare; 0: one per processor")
    given = parser.parse_args(arguments)
    try:
        variants = read_variants(given.variants)
        base = read_toml(given.config)
        for text in [*(SMOKE if given.smoke else ()), *given.settings]:
            base = apply_override(base, text)
        records = training_records(given.videos, given.images)
        records = written(fewest(records) if given.smoke else records, given.out / "training.csv")
        with display.progress() as report:
            rows = ablate(
                records, variants, base, given.out, steps=given.steps, seeds=given.seeds or [0], store=given.store,
                workers=worker_count(given.workers), report=report,
            )  # fmt: skip
        write_text(given.out / "ablation.md", markdown(rows))
    except VidfakeError as error:
        display.say(f"tools/ablate_default: {error}")
        return error.exit_code
    print(markdown(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
