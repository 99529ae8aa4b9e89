"""Frame and clip encoders: every row keeps the same contract."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidfake.errors import ConfigError, MissingPackageError, UnknownNameError
from vidfake.models import ENCODERS, ClipEncoder, Encoder, FrameEncoder
from vidfake.models.efficientnet_lite import SameConv2d
from vidfake.models.encoders import build_encoder
from vidfake.models.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelInput
from vidfake.settings import EncoderSettings

FRAME_ROWS = [row.name for row in ENCODERS if row.details["kind"] == "frame" and row.name != "timm"]
CLIP_ROWS = [row.name for row in ENCODERS if row.details["kind"] == "clip"]
LIGHT = ["mobilenet_v2", "mobilenet_v3_small", "resnet18", "efficientnet_lite0"]


def build(name: str, *, size: int = 32, frozen: bool = False, **options: Any) -> Encoder:
    torch.manual_seed(0)
    settings = EncoderSettings(name=name, weights="none", input_size=size, frozen=frozen, options=options)
    return build_encoder(settings, num_frames=4)


def frames(clips: int = 2, length: int = 4, *, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (clips, length, 3, size, size), dtype=torch.uint8, generator=generator)


MASK = torch.tensor([[True] * 4, [True, True, False, False]])


def test_the_promised_rows_are_there() -> None:
    promised = (
        "resnet18 resnet50 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small efficientnet_b0 efficientnet_b4 "
    )
    promised += "convnext_tiny swin_t efficientnet_lite0 timm x3d_s x3d_m slowfast_r50 r2plus1d_r50 csn_r101 mvit_b"
    assert set(promised.split()) <= set(ENCODERS.names())


@pytest.mark.parametrize("name", FRAME_ROWS)
def test_frame_encoder_contract(name: str) -> None:
    """Shape; float is uint8 / 255; a frame's feature does not depend on its neighbours; padding gives 0."""
    encoder = build(name).eval()
    assert isinstance(encoder, FrameEncoder)
    assert encoder.feature_dim == ENCODERS.row(name).details["feature_dim"]
    pictures = frames()
    with torch.no_grad():
        features = encoder(pictures, MASK)
        assert features.shape == (2, 4, encoder.feature_dim)
        assert features.dtype == torch.float32
        assert (features[~MASK] == 0).all()
        torch.testing.assert_close(encoder(pictures.float() / 255, MASK), features, rtol=1e-4, atol=1e-4)
        alone = encoder(pictures[1:, 1:2])
        torch.testing.assert_close(alone[0, 0], features[1, 1], rtol=1e-3, atol=1e-4)
    assert features[MASK].std(dim=0).mean() > 0
    # the classifier is gone: no output of 1000 classes and no parameter that maps to it
    assert not any(p.shape[0] == 1000 for p in encoder.parameters())


@pytest.mark.parametrize("name", CLIP_ROWS)
def test_clip_encoder_contract(name: str) -> None:
    """Shape; what stands in the padding changes nothing; order matters."""
    encoder = build(name).eval()
    assert isinstance(encoder, ClipEncoder)
    assert encoder.feature_dim == ENCODERS.row(name).details["feature_dim"]
    pictures = frames()
    noisy = pictures.clone()
    noisy[~MASK] = 255 - noisy[~MASK]
    with torch.no_grad():
        tokens = encoder(pictures, MASK)
        assert tokens.ndim == 3
        assert tokens.shape[0] == 2
        assert tokens.shape[2] == encoder.feature_dim
        assert tokens.dtype == torch.float32
        assert torch.isfinite(tokens).all()
        assert torch.equal(encoder(noisy, MASK), tokens)
        everywhere = torch.ones_like(MASK)
        torch.testing.assert_close(encoder(pictures), encoder(pictures, everywhere))
        assert not torch.allclose(encoder(pictures.flip(1)), encoder(pictures).flip(1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "length", "tokens"),
    [("x3d_s", 4, 13), ("x3d_m", 4, 16), ("slowfast_r50", 6, 2), ("slowfast_r50", 4, 1), ("r2plus1d_r50", 8, 2)],
)
def test_temporal_resolution_of_clip_encoders(name: str, length: int, tokens: int) -> None:
    with torch.no_grad():
        assert build(name).eval()(frames(1, length)).shape[1] == tokens


def test_frames_are_chosen_evenly_and_a_short_clip_holds_its_last_frame() -> None:
    encoder: Any = build("x3d_s", clip_frames=8).eval()
    seen: list[Tensor] = []
    encoder.encode = lambda pictures: (seen.append(pictures), pictures.float().mean(dim=(2, 3, 4)).unsqueeze(-1))[1]
    numbered = torch.arange(4, dtype=torch.uint8).view(1, 4, 1, 1, 1).expand(2, 4, 3, 8, 8)
    with torch.no_grad():
        encoder(numbered, MASK)
    assert torch.cat(seen)[:, :, 0, 0, 0].tolist() == [[0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 1, 1, 1, 1]]
    encoder.clip_frames, seen[:] = 2, []
    with torch.no_grad():
        encoder(numbered)
    assert torch.cat(seen)[:, :, 0, 0, 0].tolist() == [[1, 3], [1, 3]]


@pytest.mark.parametrize("name", [*LIGHT, "x3d_s"])
def test_gradients_reach_the_whole_encoder(name: str) -> None:
    encoder = build(name).train()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)  # X3D begins with some at 0, which blocks the gradient
    output = encoder(frames(), MASK)
    (output * torch.randn_like(output)).sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("name", ["mobilenet_v2", "swin_t", "x3d_s"])
def test_frozen_encoder_moves_nothing(name: str) -> None:
    encoder = build(name, frozen=True).train()
    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    output = encoder(frames(), MASK)
    assert not output.requires_grad
    assert torch.equal(encoder(frames(), MASK), output)  # no dropout, no stochastic depth
    assert all(torch.equal(before[key], tensor) for key, tensor in encoder.state_dict().items())
    assert not any(module.training for module in encoder.modules())


def test_padded_frames_do_not_reach_batch_statistics() -> None:
    """Statistics after a padded batch equal those after the real frames alone."""
    pictures = frames()
    pictures[~MASK] = 255
    padded, alone = build("mobilenet_v3_small").train(), build("mobilenet_v3_small").train()
    padded(pictures, MASK)
    alone(pictures[MASK].unsqueeze(0))
    for (name, a), (_, b) in zip(padded.named_buffers(), alone.named_buffers(), strict=True):
        assert torch.equal(a, b), name


def test_no_frame_at_all_gives_zeros() -> None:
    encoder = build("mobilenet_v3_small")
    assert torch.equal(encoder(frames(), torch.zeros_like(MASK)), torch.zeros(2, 4, encoder.feature_dim))


def test_many_frames_in_pieces_are_the_same_as_at_once() -> None:
    encoder = build("mobilenet_v3_small").eval()
    pictures = frames(3, 11)
    with torch.no_grad():
        pieces = encoder(pictures)
    at_once = encoder(pictures)
    assert at_once.requires_grad
    torch.testing.assert_close(pieces, at_once.detach(), rtol=1e-4, atol=1e-5)


def test_normalisation_and_resizing() -> None:
    pixels = PixelInput(input_size=32, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    same = frames(1, 1)[0]
    expected = torch.stack([(same[0, c] / 255.0 - IMAGENET_MEAN[c]) / IMAGENET_STD[c] for c in range(3)])
    torch.testing.assert_close(pixels(same)[0], expected)
    # an antialiased halving of a fine chessboard is grey; plain bilinear sampling would give black or white
    board = (torch.arange(96).view(-1, 1) + torch.arange(96)).remainder(2).mul(255).to(torch.uint8)
    halved = pixels(board.expand(1, 3, 96, 96)) * pixels.std + pixels.mean
    assert halved[..., 2:-2, 2:-2].sub(0.5).abs().max() < 0.1
    plain = F.interpolate(board.float().view(1, 1, 96, 96) / 255, size=(32, 32), mode="bilinear")
    assert plain.sub(0.5).abs().max() > 0.4


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1), (6, 1, 1), (5, 5, 2)]
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    """Oracle: output i sums inputs from i * stride - total // 2 on; total = (outputs - 1) stride + kernel - n."""
    convolution = SameConv2d(1, 1, kernel, stride=stride, bias=False)
    nn.init.ones_(convolution.weight)
    picture = torch.rand(1, 1, size, size)
    outputs = -(-size // stride)
    begin = max(0, (outputs - 1) * stride + kernel - size) // 2
    result = convolution(picture)
    assert result.shape[-2:] == (outputs, outputs)
    for row in range(outputs):
        for column in range(outputs):
            top, left = row * stride - begin, column * stride - begin
            window = picture[0, 0, max(0, top) : top + kernel, max(0, left) : left + kernel]
            assert result[0, 0, row, column].item() == pytest.approx(window.sum().item(), abs=1e-4)


def test_unknown_encoder_and_options() -> None:
    with pytest.raises(UnknownNameError, match="'resnet18'"):
        build("resnet_18")
    with pytest.raises(ConfigError, match="resnet18"):
        build("resnet18", widht=3)
    with pytest.raises(ConfigError, match="clip_frames is 6"):
        build("slowfast_r50", clip_frames=6)
    with pytest.raises(ConfigError, match="multiple of 32"):
        build("mvit_b", size=48)
    with pytest.raises(ConfigError, match="input_size is 2000"):
        build("resnet18", size=2000)


def test_options_of_the_network_pass_through() -> None:
    assert build("mobilenet_v2", width_mult=0.5).backbone.get_submodule("features.0.0").out_channels == 16


class FakeTimm(types.ModuleType):
    """Stands in for timm: one network with its own normalisation."""

    made: dict[str, Any]

    def is_model(self, name: str) -> bool:
        return name == "tiny"

    def list_models(self) -> list[str]:
        return ["tiny"]

    def create_model(self, name: str, *, pretrained: bool, num_classes: int, **options: Any) -> nn.Module:
        if pretrained:
            raise OSError("no route to host")
        if "drop_rat" in options:
            raise TypeError("unexpected keyword argument 'drop_rat'")
        self.made = {"name": name, "num_classes": num_classes, **options}
        network: Any = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        network.num_features = 3
        network.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "classifier": "fc"}
        return network  # type: ignore[no-any-return]


def test_timm_networks_join_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timm = FakeTimm("timm")
    monkeypatch.setitem(sys.modules, "timm", timm)
    encoder = build("timm:tiny", drop_rate=0.1)
    assert timm.made == {"name": "tiny", "num_classes": 0, "drop_rate": 0.1}
    features = encoder(torch.full((1, 1, 3, 32, 32), 0.75))
    torch.testing.assert_close(features, torch.ones(1, 1, 3))
    with pytest.raises(ConfigError, match="'tiny'"):
        build("timm:tinny")
    with pytest.raises(ConfigError, match="timm:NAME"):
        build("timm")
    with pytest.raises(ConfigError, match="'drop_rat'"):
        build("timm:tiny", drop_rat=0.1)
    settings = EncoderSettings(name="timm:tiny", weights="imagenet", input_size=32)
    with pytest.raises(MissingPackageError, match="could not be fetched"):
        build_encoder(settings, num_frames=4)
    assert build_encoder(settings, num_frames=4, load_pretrained=False).feature_dim == 3
    torch.save({"fc.weight": torch.zeros(1000, 3), "fc.bias": torch.zeros(1000)}, tmp_path / "w.pth")
    from_file = EncoderSettings(name="timm:tiny", weights=str(tmp_path / "w.pth"), input_size=32)
    build_encoder(from_file, num_frames=4)  # the classifier in the file is left out, and nothing else is missing


def test_missing_timm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingPackageError, match=r"vidfake\[timm\]"):
        build("timm:resnet10t")


def test_missing_pytorchvideo_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorchvideo.models.x3d", None)
    with pytest.raises(MissingPackageError, match="pytorchvideo==0.1.5"):
        build("x3d_s")


def test_the_documentation_lists_every_encoder_with_its_size() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| \d+ \| ([\d.]+) M \|", text, flags=re.MULTILINE))
    assert set(rows) == {*FRAME_ROWS, *CLIP_ROWS}
    for name in rows:
        with torch.device("meta"):
            parameters = sum(p.numel() for p in build(name, size=224).parameters())
        assert rows[name] == f"{parameters / 1e6:.1f}", name
