"""Videos and photographs to the shipped detector in one command. See tools/train_default."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vidfake.cli import display
from vidfake.cli.options import worker_count
from vidfake.data.prepare import prepare
from vidfake.default import shipped
from vidfake.default.card import read_card
from vidfake.default.recipe import (
    SMOKE,
    Report,
    data_used,
    fewest,
    going_on,
    read_changes,
    recipe,
    trained,
    training_records,
    written,
)
from vidfake.default.ship import read_fields, ship
from vidfake.errors import VidfakeError
from vidfake.models.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "default_detector.toml"
PASSES = tuple(ROOT / "tools" / f"default_{number}_pass.toml" for number in ("second", "third"))
CARD = ROOT / "tools" / "default_card.toml"


def train(
    videos: Path,
    images: Path,
    out: Path,
    *,
    config: Path = CONFIG,
    passes: Sequence[Path] = PASSES,
    settings: Sequence[str] = (),
    card: Path = CARD,
    target: Path | None = None,
    smoke: bool = False,
    workers: int = 1,
    command: str = "",
    report: Report | None = None,
) -> Path:
    """Every stage that is not done yet; returns the folder of the shippable detector (default OUT/shipped).

    Each of the further `passes`, files of changes to `config`, starts from the encoders of all passes before it:
    their mean. The last one's run is in OUT/runs, those before in OUT/pass1/runs, OUT/pass2/runs, …
    """
    target = target or out / "shipped"
    fields = read_fields(card)
    records = training_records(videos, images)
    records = written(fewest(records) if smoke else records, out / "training.csv")
    asked = [*(SMOKE if smoke else ()), *settings]
    changes = [[], *(read_changes(path) for path in passes)]
    where = [*(out / f"pass{number}" for number in range(1, len(changes))), out]
    runs = [
        recipe(config, [*own, *asked], out=folder, store=out / "store")
        for own, folder in zip(changes, where, strict=True)
    ]
    made = prepare(records, out / "store", runs[0].extract, workers=workers, progress=report)
    display.say(f"Clip store: {made.num_videos} videos and photographs, {made.num_clips} clips.")
    folders: list[Path] = []
    for run in runs:
        folders.append(trained(going_on(run, folders), records, report=report))
    folder = folders[-1]
    best = load_checkpoint(folder / "best.vidfake")
    done = read_card(target)
    if done is None or done.weights.source_sha256 != best.sha256:
        fields = fields if fields.command else replace(fields, command=command)
        card_made, parity = ship(folder, target, fields=fields, data=data_used(records), is_trial=smoke)
        display.say(
            f"Half precision moves scores by at most {parity.relative:.1e} of 1 + |score|; shipped in "
            f"{card_made.weights.precision} precision."
        )
    return target


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/train_default", description=__doc__)
    parser.add_argument("videos", type=Path, help="manifest of videos; only split=train and split=validation")
    parser.add_argument("images", type=Path, help="manifest of photographs")
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument(
        "--then",
        dest="passes",
        type=Path,
        action="append",
        metavar="CHANGES.toml",
        help="of a further pass; repeatable; default: those of the recipe's own config",
    )
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--card", type=Path, default=CARD, metavar="FIELDS.toml")
    parser.add_argument("--smoke", action="store_true", help="a few videos and steps, to try the machinery")
    parser.add_argument("--into-package", action="store_true", help="replace the detector that ships")
    parser.add_argument("--workers", type=int, default=0, help="of prepare; 0: one per processor")
    given = parser.parse_args(arguments)
    if given.smoke and given.into_package:
        parser.error("--smoke makes worthless weights; they do not go into the package")
    settings = [part for text in given.settings for part in ("--set", text)]
    smoke = ["--smoke"] if given.smoke else []
    shown = ["tools/train_default", given.videos.name, given.images.name, "OUT", *smoke, *settings]
    try:
        with display.progress() as report:
            target = train(
                given.videos, given.images, given.out, config=given.config,
                passes=given.passes or (PASSES if given.config == CONFIG else ()), settings=given.settings,
                card=given.card, target=shipped.FOLDER if given.into_package else None, smoke=given.smoke,
                workers=worker_count(given.workers), command=shlex.join(shown), report=report,
            )  # fmt: skip
    except VidfakeError as error:
        display.say(f"tools/train_default: {error}")
        return error.exit_code
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
