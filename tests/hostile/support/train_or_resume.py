"""Trains the toy run, or goes on with it: ``train_or_resume.py STORE OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

import toy_runs

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published
from vidfake.train.run import CONFIG_FILE, train_run

if __name__ == "__main__":
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    config = toy_runs.toy_config(Path(sys.argv[1]), Path(sys.argv[2]))
    folder = Path(config.out) / config.name
    train_run(config, resume=(folder / CONFIG_FILE).exists())
