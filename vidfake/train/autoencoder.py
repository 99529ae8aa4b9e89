"""Training of the face autoencoder that maker `autoencoder` draws with; exact resume, any number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidfake import __version__
from vidfake.data.store import ClipStore
from vidfake.errors import CheckpointError, ConfigError, UsageError
from vidfake.files import sha256_json
from vidfake.synth.autoencoder_file import STATE, read_tensors, source_hash, write_tensors
from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings
from vidfake.train.autoencoder_faces import TrainingFaces, batch, face_weights, held_out_batch, training_faces
from vidfake.train.perceptual import PerceptualDistance

Report = Callable[[str, int, int | None], None]
MODEL, FIRST, SECOND = "model.", "first_moment.", "second_moment."  # parts of the training state's tensors
BETAS = (0.5, 0.999)  # as deepfakes/faceswap
MEMORY = 0.95  # of the running mean of the loss: some 20 steps
FACES_MEASURED = 64


@dataclass(frozen=True)
class AutoencoderTraining:
    """How to train: `batch_size` faces a step, Adam's `lr`, `seed` of network and faces, real clips of `split`.

    `perceptual`: weight of `PerceptualDistance` beside the mean absolute error; it takes ImageNet weights."""

    network: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    batch_size: int = 16
    lr: float = 1e-3
    seed: int = 0
    split: str = "train"
    perceptual: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= 1024:
            raise ConfigError(f"autoencoder: batch_size is {self.batch_size}; it must be from 1 to 1024.")
        if not 0 < self.lr <= 0.1:
            raise ConfigError(f"autoencoder: lr is {self.lr}; it must be above 0 and at most 0.1.")
        if not 0 <= self.perceptual <= 100:
            raise ConfigError(f"autoencoder: perceptual is {self.perceptual}; it must be from 0 to 100.")


@dataclass
class AutoencoderProgress:
    """Where a training stands: steps done, the running mean of the loss, that of the first step."""

    step: int = 0
    loss: float | None = None
    first_loss: float | None = None


def train_autoencoder(
    store: ClipStore,
    out: Path,
    settings: AutoencoderTraining,
    *,
    steps: int,
    resume: bool = False,
    save_every: int = 500,
    report: Report | None = None,
) -> dict[str, Any]:
    """Train on a store's real faces until `steps` steps are done in all; write `out` and, beside it, the state.

    Both are written every `save_every` steps, at the end and when interrupted, each whole or not at all. A step's
    faces depend on seed and step alone: a training that was resumed gives the bytes of one that was not.

    Returns what the file's metadata say: steps, losses, `held_out_error` (mean absolute error, in [0, 1], on people
    that were not trained on; None where there are none), sources by hash.

    Raises UsageError where `out` is there and `resume` is not asked for, CheckpointError for a state that is
    missing, damaged or of other settings, ConfigError for a store without real clips, StoreError, StorageError.
    """
    if steps < 1 or save_every < 1:
        raise ConfigError(f"steps is {steps} and save_every {save_every}; both must be 1 or more.")
    state = state_path(out)
    if not resume and (out.exists() or state.exists()):
        raise UsageError(f"{out}: is there already. Go on with it (--resume), or name another file.")
    faces = training_faces(store, split=settings.split, seed=settings.seed)
    trainer = _Trainer(faces, settings)
    if resume:
        trainer.load(state)
    if report is not None:
        report("training", trainer.progress.step, steps)
    try:
        while trainer.progress.step < steps:
            trainer.advance()
            if report is not None:
                report("training", trainer.progress.step, steps)
            if trainer.progress.step % save_every == 0 and trainer.progress.step < steps:
                trainer.save(out, state)
    except KeyboardInterrupt:
        trainer.save(out, state)
        raise
    return trainer.save(out, state)


def state_path(out: Path) -> Path:
    """Where the training state of the weights `out` lies: beside them."""
    return out.with_name(f"{out.stem}.state{out.suffix}")


class _Trainer:
    def __init__(self, faces: TrainingFaces, settings: AutoencoderTraining) -> None:
        self.faces, self.settings = faces, settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = Autoencoder(settings.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.lr, betas=BETAS)
        self.weights = face_weights(settings.network.pixels)
        self.perceptual = PerceptualDistance() if settings.perceptual > 0 else None
        self.progress = AutoencoderProgress()

    def advance(self) -> None:
        """One step. Raises ConfigError where the loss is no number any more; what was saved stays."""
        step, pixels = self.progress.step, self.settings.network.pixels
        warped, plain = batch(
            self.faces, step, seed=self.settings.seed, size=self.settings.batch_size, pixels=pixels
        )
        # a map keeps where things are, so there is no bending to be undone
        seen = plain if self.settings.network.middle == "map" else warped
        drawn = self.network(seen)
        loss = ((drawn - plain).abs() * self.weights).mean()
        if self.perceptual is not None:
            loss = loss + self.settings.perceptual * self.perceptual(drawn, plain)
        value = float(loss.detach())
        if not value < float("inf"):
            raise ConfigError(f"autoencoder: the loss is {value} at step {step}. Train again with a smaller lr.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        before = self.progress.loss
        mean = value if before is None else MEMORY * before + (1 - MEMORY) * value
        first = value if self.progress.first_loss is None else self.progress.first_loss
        self.progress = AutoencoderProgress(step + 1, mean, first)

    def held_out_error(self) -> float | None:
        """Mean absolute error on faces of people that are not trained on."""
        pixels = self.settings.network.pixels
        plain = held_out_batch(self.faces, seed=self.settings.seed, size=FACES_MEASURED, pixels=pixels)
        return None if plain is None else reconstruction_error(self.network, plain)

    def save(self, out: Path, state: Path) -> dict[str, Any]:
        """State first: with it alone nothing is lost."""
        write_tensors(state, self._state(), self.settings.network, self._told(), kind=STATE)
        told = {
            **self._told(),
            "held_out_error": self.held_out_error(),
            "clips": self.faces.num_clips,
            "sources": sorted(source_hash(source) for source in self.faces.trained),
            "versions": {"vidfake": __version__, "torch": torch.__version__},
        }
        write_tensors(out, self.network.state_dict(), self.settings.network, told)
        return told

    def load(self, state: Path) -> None:
        """Go on from a saved state."""
        if not state.is_file():
            raise CheckpointError(f"{state}: no state to resume from. Train without --resume.")
        tensors, _, told, _ = read_tensors(state, kind=STATE, parts=(MODEL, FIRST, SECOND))
        if told.get("run") != self._run():
            raise CheckpointError(
                f"{state}: was trained with other settings or on another store, so going on would not be the same "
                f"training. It has {told.get('settings')}. Name these, or another file."
            )
        self.network.load_state_dict({n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)})
        self.progress = AutoencoderProgress(told["steps"], told["loss"], told["first_loss"])
        for name, parameter in self.network.named_parameters():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(self.progress.step)),
                "exp_avg": tensors[FIRST + name],
                "exp_avg_sq": tensors[SECOND + name],
            }

    def _state(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            moments = self.optimizer.state.get(parameter, {})
            found[MODEL + name] = parameter
            found[FIRST + name] = moments.get("exp_avg", torch.zeros_like(parameter))
            found[SECOND + name] = moments.get("exp_avg_sq", torch.zeros_like(parameter))
        return found

    def _run(self) -> str:
        """What a resumed training must have in common with the one that was saved."""
        return sha256_json({"settings": asdict(self.settings), "store": self.faces.store.content_hash})

    def _told(self) -> dict[str, Any]:
        return {
            "steps": self.progress.step,
            "loss": self.progress.loss,
            "first_loss": self.progress.first_loss,
            "settings": asdict(self.settings),
            "run": self._run(),
        }


def reconstruction_error(network: Autoencoder, views: Tensor) -> float:
    """Mean absolute error, in [0, 1], of `views` (B, 3, P, P) drawn anew."""
    with torch.inference_mode():
        return float((network(views) - views).abs().mean())
