"""Every loss learns a separable toy set through its own read-out, and nothing from shuffled labels."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score

from vidfake.losses import LOSSES, LossContext, build_loss, build_readout
from vidfake.losses.readout import default_readout
from vidfake.settings import LossSettings

INPUTS, DIM, STEPS, BATCH = 8, 8, 80, 64
NAMES = pytest.mark.parametrize("name", LOSSES.names())


def toy(size: int, num_classes: int, seed: int):
    """Two input directions tell the classes apart; the other six are louder and say nothing."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % num_classes
    angle = y * (2 * torch.pi / num_classes)
    x = torch.randn(size, INPUTS, generator=generator) * torch.tensor([0.35] * 2 + [3.0] * 6)
    x[:, 0] += torch.cos(angle)
    x[:, 1] += torch.sin(angle)
    return x, y


def shuffled(y: torch.Tensor, seed: int) -> torch.Tensor:
    return y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]


def make(name: str):
    """The loss alone, or beside cross-entropy where alone it has nothing to learn from."""
    row = LOSSES.row(name)
    num_classes = max(2, row.factory.needs.min_classes)
    beside = row.details["family"] in ("regulariser", "distillation")
    torch.manual_seed(0)
    settings = LossSettings(name=f"softmax + 0.1*{name}" if beside else name)
    return build_loss(settings, num_classes=num_classes, embedding_dim=DIM)


def context_for(x: torch.Tensor, y: torch.Tensor, step: int) -> LossContext:
    size = len(y)
    return LossContext(
        progress=step / STEPS,
        step=step,
        binary_labels=(y > 0).long(),
        video_ids=tuple(f"v{step}-{i}" for i in range(size)),
        source_ids=tuple(f"s{step}-{i}" for i in range(size)),
        domains=torch.randint(2, (size,), generator=torch.Generator().manual_seed(step)),
        teacher=x[:, :DIM].clone(),
    )


def read_out(loss, encoder, train, test) -> float:
    with torch.no_grad():
        readout = build_readout(default_readout(loss), loss=loss).fit(encoder(train[0]), train[1])
        score = readout.score(encoder(test[0]))
    return float(roc_auc_score((test[1] > 0).numpy(), score.numpy()))


def auc_before_and_after(name: str, *, shuffle: bool) -> tuple[float, float]:
    loss = make(name)
    train, test = toy(1024, loss.num_classes, 1), toy(400, loss.num_classes, 2)
    if shuffle:
        train, test = (train[0], shuffled(train[1], 3)), (test[0], shuffled(test[1], 4))
    encoder = torch.nn.Linear(INPUTS, DIM)
    before = read_out(loss, encoder, train, test)
    optimiser = torch.optim.Adam([*encoder.parameters(), *loss.parameters()], lr=0.03)
    for step in range(STEPS):
        part = slice(step * BATCH % 1024, step * BATCH % 1024 + BATCH)
        x, y = train[0][part], train[1][part]
        value = loss(encoder(x), y, context=context_for(x, y, step))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return before, read_out(loss.eval(), encoder, train, test)


@NAMES
@pytest.mark.filterwarnings("ignore:MagFace")  # norms may leave their bounds within so few steps
def test_a_separable_set_is_learned(name):
    before, after = auc_before_and_after(name, shuffle=False)
    assert before < 0.9
    assert after > 0.95


@NAMES
@pytest.mark.filterwarnings("ignore:MagFace")
def test_shuffled_labels_are_not(name):
    assert auc_before_and_after(name, shuffle=True)[1] < 0.6
