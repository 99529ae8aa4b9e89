"""An autoencoder's weights on disk: one safetensors file that knows its settings and notices damage.

The file's metadata holds one entry (several would be written in no fixed order): JSON of settings and training with
the SHA-256 of the tensors' bytes and of itself. Sizes, names, types and shapes are compared with what the settings
ask for before memory is taken for any tensor; no code in a file is run.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from vidfake.errors import CheckpointError, ConfigError, VidfakeError
from vidfake.files import dump_json, sha256_json, write_bytes
from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings, tensor_shapes

FORMAT = "vidfake-autoencoder"
FORMAT_VERSION = 2  # 1 knew one middle and one way of up-sampling, now the defaults
STATE = "vidfake-autoencoder-training"
ENTRY = "vidfake"
MAX_BYTES = 640 * 2**20  # the largest network's training state has 550 MB
MAX_HEADER_BYTES = 16 * 2**20
AGAIN = "Copy the file again, or train another: tools/train_autoencoder STORE OUT.safetensors"


@dataclass(frozen=True)
class TrainedAutoencoder:
    """Weights that were read: the `network` (for use: no gradients), SHA-256 of the file, and `training`: steps,
    seed, losses and hashes of its sources."""

    network: Autoencoder
    sha256: str
    training: Mapping[str, Any]

    def seen(self, source_ids: Iterable[str]) -> list[str]:
        """Those of `source_ids` that the network was trained on, for whoever must keep training and test apart."""
        known = set(self.training.get("sources", []))
        return sorted(source for source in set(source_ids) if source_hash(source) in known)


def source_hash(source_id: str) -> str:
    """How a source is named in a weights file: 16 hex digits of a SHA-256, so that no name is given away."""
    return hashlib.sha256(source_id.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], settings: AutoencoderSettings, training: Mapping[str, Any],
    *, kind: str = FORMAT,
) -> str:  # fmt: skip
    """Write the file, whole or not at all; equal content gives equal bytes. Returns its SHA-256."""
    plain = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in tensors.items()}
    content: dict[str, Any] = {
        "format": kind,
        "format_version": FORMAT_VERSION,
        "settings": asdict(settings),
        "training": dict(training),
        "tensors_sha256": hashlib.sha256(_split(save(plain))[1]).hexdigest(),
    }
    entry = dump_json({**content, "json_sha256": sha256_json(content)}, indent=None)
    data = save(plain, metadata={ENTRY: entry})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def read_autoencoder(path: Path) -> TrainedAutoencoder:
    """The network in a file that `tools/train_autoencoder` wrote.

    Raises ConfigError where there is no such file, CheckpointError for one that is damaged, foreign or newer.
    """
    tensors, settings, training, digest = read_tensors(path, kind=FORMAT, parts=("",))
    network = Autoencoder(settings)
    network.load_state_dict(tensors)
    return TrainedAutoencoder(network.eval().requires_grad_(False), digest, training)


def read_tensors(
    path: Path, *, kind: str, parts: tuple[str, ...]
) -> tuple[dict[str, Tensor], AutoencoderSettings, dict[str, Any], str]:
    """Tensors, settings, training and the file's SHA-256; each of `parts` is a beginning of names under which all
    tensors of the network are expected. Raises as `read_autoencoder`."""
    data = _read(path)
    try:
        header, body = _split(data)
        described = json.loads(header.decode("utf-8"))
        content = json.loads(described.pop("__metadata__")[ENTRY], parse_constant=_refuse)
        claimed = content.pop("json_sha256")
        intact = claimed == sha256_json(content)
        known = content["format"], content["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise CheckpointError(f"{path}: is not the weights of an autoencoder, or is damaged. {AGAIN}") from error
    if known[0] != kind:
        raise CheckpointError(f"{path}: holds {known[0]!r}, expected {kind!r}. {AGAIN}")
    if not isinstance(known[1], int) or known[1] > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: made by a newer vidfake (format {known[1]!r}; this one reads up to {FORMAT_VERSION}). "
            "Install a newer version: pip install --upgrade vidfake"
        )
    if not intact or content.get("tensors_sha256") != hashlib.sha256(body).hexdigest():
        raise CheckpointError(f"{path}: changed since it was written (SHA-256). {AGAIN}")
    settings, training = _settings(content, path)
    expected = {f"{part}{name}": shape for name, shape in tensor_shapes(settings).items() for part in parts}
    _compare(described, expected, path)
    try:
        tensors = load(data)
    except Exception as error:  # the reader fails on hostile bytes in ways that it does not list
        raise CheckpointError(f"{path}: not a safetensors file ({error}). {AGAIN}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise CheckpointError(f"{path}: has weights that are not finite. Train it again with a smaller --lr.")
    return tensors, settings, training, hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    """A regular file of up to `MAX_BYTES`."""
    if not path.is_file():
        raise ConfigError(
            f"autoencoder: weights is {str(path)!r}: no such file. Name one that tools/train_autoencoder wrote."
        )
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CheckpointError(f"{path}: {size} bytes; no autoencoder has over {MAX_BYTES}. {AGAIN}")
        with open(path, "rb") as handle:
            return handle.read(MAX_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Header and tensors of a safetensors file: 8 bytes of length, JSON, the rest. Raises ValueError."""
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
    return data[8 : 8 + length], data[8 + length :]


def _settings(content: dict[str, Any], path: Path) -> tuple[AutoencoderSettings, dict[str, Any]]:
    try:
        training = content["training"]
        if not isinstance(training, dict):
            raise TypeError("training is no table")
        return AutoencoderSettings(**content["settings"]), training
    except (KeyError, TypeError, VidfakeError) as error:
        raise CheckpointError(f"{path}: its settings describe no autoencoder ({error}). {AGAIN}") from error


def _compare(described: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """The header's names, types and shapes against those of the network."""
    problems = [f"missing: {name}" for name in expected if name not in described]
    for name, entry in described.items():
        found = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if name not in expected:
            problems.append(f"not expected: {name}")
        elif found != ("F32", list(expected[name])):
            problems.append(f"{name}: {found} instead of F32 {list(expected[name])}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"{path}: the tensors do not fit its settings ({'; '.join(problems[:5])}{more}). {AGAIN}"
        )


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not JSON")
