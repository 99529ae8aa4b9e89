"""Trains the network of maker `autoencoder` on the real clips of a clip store. See tools/train_autoencoder."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from vidfake.cli import display
from vidfake.data.store import ClipStore
from vidfake.errors import VidfakeError
from vidfake.synth.autoencoder_net import MIDDLES, UPSAMPLINGS, AutoencoderSettings
from vidfake.train.autoencoder import AutoencoderTraining, train_autoencoder


def main(arguments: Sequence[str]) -> int:
    """Train, say what came out on stderr and print the file's name."""
    network, training = AutoencoderSettings(), AutoencoderTraining()
    parser = argparse.ArgumentParser(
        prog="tools/train_autoencoder", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("store", type=Path, help="clip store of vidfake prepare")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    parser.add_argument("--steps", type=int, required=True, help="steps in all, those done before included")
    parser.add_argument("--resume", action="store_true", help="go on from the state beside OUT")
    parser.add_argument("--pixels", type=int, default=network.pixels, help="side of the pictures, 32 to 256")
    parser.add_argument("--width", type=int, default=network.width, help="channels after the first convolution")
    parser.add_argument(
        "--bottleneck", type=int, default=network.bottleneck, help="numbers a face, or a place, is reduced to"
    )
    parser.add_argument("--stages", type=int, default=network.stages, help="times the picture is halved")
    parser.add_argument(
        "--middle", choices=MIDDLES, default=network.middle, help="vector: of the face; map: at every place"
    )
    parser.add_argument("--upsampling", choices=UPSAMPLINGS, default=network.upsampling)
    parser.add_argument("--batch-size", type=int, default=training.batch_size)
    parser.add_argument("--lr", type=float, default=training.lr)
    parser.add_argument(
        "--perceptual", type=float, default=training.perceptual, help="weight of how it looks to a picture network"
    )
    parser.add_argument("--seed", type=int, default=training.seed)
    parser.add_argument("--split", default=training.split, help="of the store's manifest; '' for all")
    parser.add_argument("--save-every", type=int, default=500, metavar="STEPS")
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    if given.out.suffix != ".safetensors":
        parser.error(f"OUT is {str(given.out)!r}; its name must end in .safetensors")
    start = time.monotonic()
    try:
        settings = AutoencoderTraining(
            AutoencoderSettings(
                given.pixels, given.width, given.bottleneck, given.stages, given.middle, given.upsampling
            ),
            batch_size=given.batch_size, lr=given.lr, seed=given.seed, split=given.split,
            perceptual=given.perceptual,
        )  # fmt: skip
        with display.progress() as report:
            told = train_autoencoder(
                ClipStore(given.store), given.out, settings, steps=given.steps, resume=given.resume,
                save_every=given.save_every, report=report,
            )  # fmt: skip
    except VidfakeError as error:
        display.say(f"tools/train_autoencoder: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        display.say(
            f"Interrupted. {given.out} and the training state are saved: the same command with --resume goes on."
        )
        return 130
    unknown = "none" if told["held_out_error"] is None else f"{told['held_out_error']:.4f}"
    display.say(
        f"{told['steps']} steps on {told['clips']} clips of {len(told['sources'])} sources, "
        f"{time.monotonic() - start:.0f} s: loss {told['first_loss']:.4f} -> {told['loss']:.4f}, "
        f"error on other people {unknown}."
    )
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
