"""Trains the toy run given by folders on the command line; started by torchrun in a test."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import toy_runs

from vidfake.models.interfaces import ENCODERS
from vidfake.models.weights import Published
from vidfake.train.run import train_run

if __name__ == "__main__":
    ENCODERS.register(toy_runs.TOY_ENCODER, source="tests", kind="frame", published=Published(head=()))(
        toy_runs.toy_encoder
    )
    config = toy_runs.toy_config(Path(sys.argv[1]), Path(sys.argv[2]))
    epochs, workers = int(os.environ.get("TOY_EPOCHS", "2")), int(os.environ.get("TOY_WORKERS", "0"))
    config = replace(
        config,
        model=replace(config.model, dropout=0.0),
        data=replace(config.data, workers=workers),
        optim=replace(config.optim, epochs=epochs, batch_size=8),
    )
    train_run(config)
