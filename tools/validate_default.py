"""Detectors on the validation of a recipe, maker by maker. See tools/validate_default."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from vidfake.cli import display
from vidfake.cli.checkpoints import open_detector
from vidfake.cli.options import worker_count
from vidfake.config import load
from vidfake.default.recipe import training_records, written
from vidfake.default.validation import by_maker, markdown
from vidfake.errors import VidfakeError
from vidfake.settings import RunConfig

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_detector.toml"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/validate_default", description=__doc__)
    parser.add_argument("videos", type=Path, help="manifest of videos; only split=train and split=validation")
    parser.add_argument("images", type=Path, help="manifest of photographs")
    parser.add_argument("out", type=Path, help="for the clip stores; that of tools/ablate_default will do")
    parser.add_argument("detectors", nargs="+", help="checkpoints, or 'default'")
    parser.add_argument("--config", type=Path, default=CONFIG, help="whose makers, people and degradations")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--max-clips", type=int, help="of each video; default: as the detector was trained")
    parser.add_argument("--workers", type=int, default=0, help="0: one per processor")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    given = parser.parse_args(arguments)
    try:
        config = load(RunConfig, given.config, given.settings)
        records = written(training_records(given.videos, given.images), given.out / "training.csv")
        with display.progress() as report:
            rows = [
                row
                for name in given.detectors
                for row in by_maker(
                    open_detector(Path(name)), name, config, records, given.out, max_clips=given.max_clips,
                    workers=worker_count(given.workers), report=report,
                )
            ]  # fmt: skip
    except VidfakeError as error:
        display.say(f"tools/validate_default: {error}")
        return error.exit_code
    print("\n".join(json.dumps(row.to_json()) for row in rows) if given.json else markdown(rows).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
