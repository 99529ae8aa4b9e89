"""A contact sheet of the makers: real, fake, mask and difference of one clip over time; and how quick they are.

See tools/draw_makers.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from drawn_face import PEOPLE, drawn_clip

from vidfake.errors import UsageError, VidfakeError
from vidfake.files import write_bytes
from vidfake.seeding import generator
from vidfake.synth import MAKERS, MadeClip, MakerClip
from vidfake.synth.compose import apply_maker, build_maker, maker_facts
from vidfake.types import ByteArray

QUALITY = 70  # of a JPEG sheet


def main() -> int:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the .png or .jpg to write; with {maker} in its name, one for each")
    parser.add_argument("--maker", action="append", metavar="NAME", help="or NAME+NAME; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--columns", type=int, default=8, help="frames shown, spread over the clip")
    parser.add_argument("--tile", type=int, default=128, help="side of each picture, in pixels")
    parser.add_argument("--repeats", type=int, default=1, help="draws of each maker")
    parser.add_argument("--weights", metavar="FILE", help="of a maker that draws with a network; default: its own")
    arguments = parser.parse_args()
    try:
        clips = [drawn_clip(person) for person in PEOPLE]
        blocks: dict[str, list[ByteArray]] = {}
        cv2.setNumThreads(1)
        print(
            f"clips of {len(clips[0].faces)} frames of {clips[0].faces.shape[1]} pixels a second of processor time"
        )
        for name in arguments.maker or MAKERS.names():
            options = {"weights": arguments.weights} if has_weights(name) and arguments.weights else {}
            donor, maker = clips[1] if maker_facts(name).needs_donor else None, build_maker(name, **options)
            draws = [generator(arguments.seed, name, repeat) for repeat in range(arguments.repeats)]
            start = time.process_time()
            found = [apply_maker(maker, clips[0], donor, rng) for rng in draws]
            print(f"{name:24} {len(found) / (time.process_time() - start):6.1f}")
            sheet = str(arguments.out).replace("{maker}", name)
            drawn = [block(clips[0], made, arguments.columns, arguments.tile) for made in found]
            blocks.setdefault(sheet, []).extend(drawn)
        for sheet, parts in blocks.items():
            write_bytes(sheet, encoded(np.concatenate(parts), Path(sheet).suffix))
    except VidfakeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def has_weights(name: str) -> bool:
    """Whether the maker of that name draws with a trained network; no composition can."""
    return name in MAKERS and bool(MAKERS.row(name).details.get("has_weights"))


def encoded(sheet: ByteArray, suffix: str) -> bytes:
    """A sheet as a picture file of that suffix."""
    if suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"a sheet is a .png or .jpg file, not '{suffix}'. Give it such a name.")
    options = [] if suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def block(clip: MakerClip, made: MadeClip, columns: int, side: int) -> ByteArray:
    """Four rows of tiles under a line of text: real, fake, mask, and the difference four times over."""
    shown = np.unique(np.linspace(0, len(clip.faces) - 1, columns).round().astype(int))
    difference = 128 + 4 * (made.faces[shown].astype(int) - clip.faces[shown])
    mask = np.repeat((255 * made.mask[shown])[..., None], 3, axis=3)
    rows = [clip.faces[shown], made.faces[shown], mask, difference]
    tiles = [np.concatenate([tile(picture, side) for picture in row], axis=1) for row in rows]
    return np.concatenate([title(made, tiles[0].shape[1]), *tiles])


def tile(picture: np.ndarray, side: int) -> ByteArray:
    """One picture at the sheet's size."""
    shrunk = cv2.resize(picture.clip(0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def title(made: MadeClip, width: int) -> ByteArray:
    """The maker's name and the words and single numbers among its parameters."""
    parts = [str(made.parameters["maker"])]
    for name, value in made.parameters.items():
        if name == "maker" or isinstance(value, dict):
            continue
        if isinstance(value, list) and not all(isinstance(v, str | int) for v in value):
            continue
        parts.append(f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}")
    line = np.full((20, width, 3), 255, np.uint8)
    cv2.putText(line, "  ".join(parts), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return line


if __name__ == "__main__":
    sys.exit(main())
