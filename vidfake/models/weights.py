"""Where an encoder's first weights come from: ImageNet (by package or download), a file, a detector, or nowhere.

Files are located without importing the package that carries them, checked against a pinned SHA-256, and read
without pickle's power to run code (``weights_only=True``, or safetensors).
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vidfake.errors import CheckpointError, ConfigError, MissingPackageError
from vidfake.files import sha256_file
from vidfake.models.checkpoint_files import JSON_NAME, find_tensors, read_description

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class PackagedWeights:
    """A weights file inside an installed package. `install` is the command that brings it."""

    package: str
    file: str
    sha256: str
    install: str

    def locate(self) -> Path | None:
        """The file, or None where the package is not installed. Its code is not run."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(spec.submodule_search_locations[0]) / self.file
        return path if path.is_file() else None


@dataclass(frozen=True)
class Published:
    """ImageNet weights of one encoder: from a package, from torchvision's own servers, or from either.

    `rename` turns the names of the published tensors into those of the backbone; `head` are the beginnings of names
    that belong to the classifier, which is not used here. `elsewhere` tells of weights that a user can fetch.
    """

    head: tuple[str, ...]  # as the published file names them
    package: PackagedWeights | None = None
    torchvision: tuple[str, str] | None = None  # model, version: ("resnet18", "IMAGENET1K_V1")
    rename: Callable[[str], str] = str
    elsewhere: str = ""


NO_NETWORK_ADVICE = (
    'name a local file (encoder.weights = "FILE.pth"), start from random weights (encoder.weights = "none"), '
    'or take an encoder whose weights come with a package: "mobilenet_v2" or "efficientnet_lite0"'
)


def load_weights(backbone: nn.Module, weights: str, *, encoder: str, published: Published | None) -> None:
    """Fill `backbone` from `weights`: ``imagenet``, ``none``, a .pth or .safetensors file, or the folder of a
    checkpoint, whose encoder is then taken. Of several checkpoints with ``+`` between them it is the mean of their
    encoders, which does well where one was trained on from another (Wortsman et al. 2022,
    https://arxiv.org/abs/2109.01903).

    Raises:
        ConfigError: ``imagenet`` where none exist for this encoder, or a file that is not there.
        MissingPackageError: ImageNet weights that are neither installed nor reachable.
        CheckpointError: a file that is damaged or does not fit the encoder.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        if published is None or (published.package is None and published.torchvision is None):
            raise ConfigError(
                f"encoder '{encoder}' has no ImageNet weights. Set encoder.weights to \"none\" or to a local file."
                f"{published.elsewhere if published else ''}"
            )
        state, origin = _read_published(published, encoder=encoder)
    elif folders := checkpoints_in(weights):
        fit(backbone, _mean([_encoder_of(folder) for folder in folders], weights), origin=weights)
        return
    else:
        state, origin = read_state_dict(Path(weights)), weights
    head = published.head if published else ()
    rename = published.rename if published else str
    kept = {rename(name): tensor for name, tensor in state.items() if not name.startswith(head)}
    fit(backbone, kept, origin=origin)


def checkpoints_in(weights: str) -> list[Path]:
    """The detectors' checkpoints (``NAME.vidfake``) that `encoder.weights` names, with ``+`` between several."""
    if weights in ("imagenet", "none"):
        return []
    if Path(weights).is_dir():
        return [Path(weights)]
    found, path = [], ""
    for piece in weights.split("+"):  # a folder's own name may have a + too
        path = f"{path}+{piece}" if path else piece
        if (Path(path) / JSON_NAME).is_file():
            found.append(Path(path))
            path = ""
    return [] if path else found


def trained_before(weights: str) -> list[dict[str, Any]]:
    """What the checkpoints that `encoder.weights` names say of their own training (their `extra`)."""
    return [dict(read_description(folder).body["extra"]) for folder in checkpoints_in(weights)]


def _encoder_of(folder: Path) -> StateDict:
    """The backbone's tensors in a checkpoint, those of half precision widened."""
    path, _ = find_tensors(read_description(folder))
    begin = "detector.encoder.backbone."
    state = {name: tensor for name, tensor in read_state_dict(path).items() if name.startswith(begin)}
    return {
        name.removeprefix(begin): tensor.float() if tensor.dtype == torch.float16 else tensor
        for name, tensor in state.items()
    }


def _mean(states: list[StateDict], origin: str) -> StateDict:
    """The mean of every tensor; what counts is taken from the first.

    Raises CheckpointError for tensors of other names or shapes.
    """
    first = states[0]
    for other in states[1:]:
        if {name: tensor.shape for name, tensor in other.items()} != {n: t.shape for n, t in first.items()}:
            raise CheckpointError(f"{origin}: these checkpoints' encoders are not alike. Name alike ones.")
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def _read_published(published: Published, *, encoder: str) -> tuple[StateDict, str]:
    if published.package is not None:
        path = published.package.locate()
        if path is not None:
            digest = sha256_file(path)
            if digest != published.package.sha256:
                raise CheckpointError(
                    f"{path}: SHA-256 is {digest}, but {published.package.sha256} is expected. "
                    f"The file is damaged or another one: {published.package.install}"
                )
            return read_state_dict(path), str(path)
    if published.torchvision is not None:
        return _download(published, encoder=encoder)
    assert published.package is not None
    raise MissingPackageError(
        f"The ImageNet weights of encoder '{encoder}' are not installed. "
        f"Install them ({published.package.install}), or {NO_NETWORK_ADVICE}."
    )


def _download(published: Published, *, encoder: str) -> tuple[StateDict, str]:
    """Torchvision's weights, from its cache on this machine or from its servers."""
    import torchvision

    assert published.torchvision is not None
    model, version = published.torchvision
    entry = torchvision.models.get_model_weights(model)[version]
    try:
        state = entry.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError) as error:
        install = f"install them ({published.package.install}), " if published.package else ""
        raise MissingPackageError(
            f"The ImageNet weights of encoder '{encoder}' could not be fetched from {entry.url} ({error}). "
            f"Try again with a network, {install}{NO_NETWORK_ADVICE}."
        ) from error
    return dict(state), entry.url


def read_state_dict(path: Path) -> StateDict:
    """Tensors by name from a .safetensors file or a PyTorch file. No code in the file is run.

    A PyTorch file may hold them inside ``state_dict``, ``model_state``, ``model`` or ``model_state_dict``.
    """
    if not path.is_file():
        raise ConfigError(
            f'encoder.weights is {str(path)!r}: no such file. It takes "imagenet", "none", a .pth or '
            ".safetensors file, or a checkpoint (RUN/best.vidfake), whose encoder is taken."
        )
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)  # about pickle protocols: nothing a user can do
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader fails on hostile bytes in ways that it does not list
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path}: not a readable file of tensors ({reason}). Pass a .safetensors file, or a .pth file that "
            "holds only tensors (torch.save(model.state_dict(), ...))."
        ) from error
    for key in ("state_dict", "model_state", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
            break
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise CheckpointError(f"{path}: holds {type(loaded).__name__}, not tensors by name. Save a state dict.")
    return {str(name).removeprefix("module."): tensor for name, tensor in loaded.items()}


def fit(module: nn.Module, state: StateDict, *, origin: str) -> None:
    """Load `state` into `module`, strictly.

    Raises CheckpointError naming the tensors that are missing, too many, or of another shape.
    """
    expected = module.state_dict()
    problems = [f"missing: {name}" for name in expected if name not in state]
    problems += [f"not expected: {name}" for name in state if name not in expected]
    problems += [
        f"{name}: {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"{origin}: does not fit this encoder ({'; '.join(problems[:5])}{more}). "
            "Name the encoder that the file was made from."
        )
    module.load_state_dict(state)
