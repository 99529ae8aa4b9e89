"""A trained detector on disk: a folder ``NAME.vidfake/`` with ``model.safetensors`` and ``checkpoint.json``.

Nothing in it is ever unpickled or run. `checkpoint.json` names the size and SHA-256 of the tensors and its own
SHA-256, so that any changed byte is refused. Tensors are prefixed ``detector.``, ``loss.`` and ``readout.``; the
detector is rebuilt here, the others are handed on, since losses are another package's matter.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import vidfake
from vidfake.config import from_dict, to_dict
from vidfake.errors import CheckpointError, MissingPackageError, VidfakeError
from vidfake.models.checkpoint_files import Description, find_tensors, read_description, write_checkpoint
from vidfake.models.detector import Detector, build_detector
from vidfake.settings import ExtractSettings, RunConfig

PARTS = ("detector", "loss", "readout")


@dataclass(frozen=True)
class LoadedCheckpoint:
    """What a checkpoint holds.

    `detector` has its weights and is in evaluation mode. `loss_state` and `readout_state` are tensors by name,
    without prefix, for whoever rebuilds the two. `calibration`, `metrics` and `extra` are as they were saved.
    `sha256` is that of the tensors and names the model in reports. `is_half` says that the file holds matrices and
    kernels in half precision; the detector has them in single precision again.
    """

    path: Path
    detector: Detector
    config: RunConfig
    extract: ExtractSettings
    class_names: tuple[str, ...]
    calibration: dict[str, Any] | None
    metrics: dict[str, Any]
    extra: dict[str, Any]
    versions: dict[str, str]
    loss_state: dict[str, Tensor]
    readout_state: dict[str, Tensor]
    sha256: str
    is_half: bool = False


def save_checkpoint(
    path: Path | str,
    *,
    detector_state: Mapping[str, Tensor],
    config: RunConfig,
    class_names: tuple[str, ...],
    extract: ExtractSettings | None = None,
    loss_state: Mapping[str, Tensor] | None = None,
    readout_state: Mapping[str, Tensor] | None = None,
    calibration: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    half: bool = False,
) -> str:
    """Write a checkpoint and return the SHA-256 of its tensors. Equal content gives equal bytes.

    An existing checkpoint at `path` is replaced in such an order that a crash at any moment leaves the old or the
    new one whole.

    Args:
        path: the folder, usually ``NAME.vidfake``.
        detector_state: `Detector.state_dict()`, or averaged weights of the same names.
        config: the run's; `config.model` rebuilds the detector.
        class_names: name of class 0 (real), 1 … M.
        extract: how the training clips were extracted; default `config.extract`. Its `num_frames` is what the
            detector was built for.
        loss_state, readout_state: tensors of the loss and of the fitted read-outs.
        calibration, metrics, extra: JSON values; numbers that are not finite become null.
        half: store the detector's matrices and kernels in half precision (for shipping). Biases, norms and running
            statistics, the loss and the read-outs are small and keep theirs.

    Raises StorageError when it cannot be written; CheckpointError for weights that half precision cannot hold.
    """
    states = {"detector": detector_state, "loss": loss_state or {}, "readout": readout_state or {}}
    tensors = {
        # clones, because tensors that share memory cannot be stored side by side
        f"{part}.{name}": tensor.detach().cpu().contiguous().clone()
        for part, state in states.items()
        for name, tensor in state.items()
    }
    if half:
        tensors = {name: _halved(name, tensor) for name, tensor in tensors.items()}
    body = {
        "config": to_dict(config),
        "extract": to_dict(extract or config.extract),
        "class_names": list(class_names),
        "calibration": None if calibration is None else _finite(dict(calibration)),
        "metrics": _finite(dict(metrics or {})),
        "extra": _finite(dict(extra or {})),
        "versions": _versions(),
    }
    return write_checkpoint(Path(path), save(tensors), body, half=half)


def _halved(name: str, tensor: Tensor) -> Tensor:
    """A matrix or kernel of the detector in half precision; anything else as it is."""
    if not name.startswith("detector.") or tensor.dtype != torch.float32 or tensor.ndim < 2:
        return tensor
    small = tensor.half()
    if not torch.isfinite(small).all():
        raise CheckpointError(
            f"{name}: holds {float(tensor.abs().max()):.3g}, and half precision ends at 65504. Save without half."
        )
    return small


def load_checkpoint(path: Path | str) -> LoadedCheckpoint:
    """Read a checkpoint: its folder, or either file in it. ImageNet weights are not needed.

    Raises:
        CheckpointError: nothing there, damaged, of a newer format, or tensors that do not fit its config.
        MissingPackageError: its encoder needs an optional package.
    """
    description = read_description(Path(path))
    tensors_path, description = find_tensors(description)
    config, extract, class_names = _settings(description)
    # sizes first: on the meta device a detector of any size takes no memory
    with torch.device("meta"):
        expected = _build(config, extract, description).state_dict()
    states = _read_tensors(tensors_path, expected=expected, half=description.is_half)
    with torch.random.fork_rng(
        devices=[]
    ):  # initial values are drawn and thrown away; that must not be seen outside
        detector = _build(config, extract, description)
    detector.load_state_dict(states["detector"])
    body = description.body
    return LoadedCheckpoint(
        path=description.folder,
        detector=detector.eval(),
        config=config,
        extract=extract,
        class_names=class_names,
        calibration=body["calibration"],
        metrics=body["metrics"],
        extra=body["extra"],
        versions=body["versions"],
        loss_state=states["loss"],
        readout_state=states["readout"],
        sha256=description.tensors_sha256,
        is_half=description.is_half,
    )


def _settings(description: Description) -> tuple[RunConfig, ExtractSettings, tuple[str, ...]]:
    """The settings in a description, checked as a user's config is."""
    body, made_by = description.body, description.body["versions"].get("vidfake", "unknown")
    names = body["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{description.path}: class_names is {names!r}, not a list of names. Save it again.")
    try:
        config = from_dict(RunConfig, body["config"])
        return config, from_dict(ExtractSettings, body["extract"], "extract."), tuple(names)
    except VidfakeError as error:
        raise CheckpointError(
            f"{description.path}: settings that vidfake {vidfake.__version__} does not take: {error} "
            f"It was made by vidfake {made_by}; use that version."
        ) from error


def _build(config: RunConfig, extract: ExtractSettings, description: Description) -> Detector:
    try:
        return build_detector(config.model, num_frames=extract.num_frames, load_pretrained=False)
    except MissingPackageError:
        raise
    except (VidfakeError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"{description.path}: its config does not describe a detector ({error}). Save it again."
        ) from error


def _read_tensors(path: Path, *, expected: dict[str, Tensor], half: bool) -> dict[str, dict[str, Tensor]]:
    """Tensors by part, after names, shapes and types were compared with those of the detector.

    With `half`, what is stored in half precision comes back in the detector's own.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            names = list(handle.keys())
            _compare({name: handle.get_slice(name) for name in names}, expected, path=path, half=half)
            states: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
            for name in names:
                part, _, rest = name.partition(".")
                # a clone, because what safetensors gives may still lie in the file
                tensor = handle.get_tensor(name).clone()
                states[part][rest] = tensor.to(expected[rest].dtype) if part == "detector" else tensor
            return states
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}). Copy the checkpoint again.") from error


def _compare(found: Mapping[str, Any], expected: dict[str, Tensor], *, path: Path, half: bool) -> None:
    problems = [f"missing: detector.{name}" for name in expected if f"detector.{name}" not in found]
    for name, entry in found.items():
        part, _, rest = name.partition(".")
        if part not in PARTS or not rest or (part == "detector" and rest not in expected):
            problems.append(f"not expected: {name}")
        elif part == "detector":
            shape, kind = tuple(entry.get_shape()), _dtype(entry)
            if half and kind == torch.float16 and expected[rest].dtype == torch.float32:
                kind = torch.float32
            if (shape, kind) != (tuple(expected[rest].shape), expected[rest].dtype):
                wanted = f"{tuple(expected[rest].shape)} {expected[rest].dtype}"
                problems.append(f"{name}: {shape} {kind} instead of {wanted}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"{path}: the tensors do not fit the config beside them ({'; '.join(problems[:5])}{more}). "
            "Both files must come from the same save."
        )


def _dtype(entry: Any) -> torch.dtype | None:
    """The torch type of a safetensors entry, for the types that a detector has."""
    known = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    known |= {"I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}
    return known.get(entry.get_dtype())


def _finite(value: Any) -> Any:
    """`value` with numbers that JSON cannot hold as null: an undefined figure must not cost a checkpoint."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _versions() -> dict[str, str]:
    """Of the libraries that the numbers depend on."""
    found = {"vidfake": vidfake.__version__, "python": platform.python_version()}
    for package in ("torch", "torchvision", "numpy", "av", "opencv-python-headless", "pytorchvideo", "timm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found
