"""DAIL: classes compete only within their own dataset, while an adversary removes what tells datasets apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.errors import LossInputError
from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.context_checks import context_tensor
from vidfake.losses.distributed import all_reduce_sum, gather_plain
from vidfake.losses.draws import Draws
from vidfake.losses.heads import HeadLoss, MarginHead, SoftmaxHead
from vidfake.losses.options import check_range
from vidfake.losses.wrapping import build_head

_FREE = -1
"""Place of a dataset not yet seen; identifiers of datasets are not negative."""


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """`x` itself; its gradient comes back multiplied by -strength (Ganin and Lempitsky 2015)."""
    reversed_: Tensor = _Reverse.apply(x, strength)
    return reversed_


@LOSSES.register(
    "dail_r",
    source="Wang et al. 2020, https://arxiv.org/abs/2101.05419 (abstract); gradient reversal: "
    "https://arxiv.org/abs/1409.7495",
    status="reconstruction",
    family="wrapper",
    tier=2,
    search_space=SearchSpace({"adversarial_weight": (0.0, 0.03, 0.1, 0.3)}),
)
class DAIL(EmbeddingLoss):
    """Dataset-aware softmax on any head, with an adversary that learns the dataset from the embedding.

        L = -log( e^{v_y} / Σ_{j: ds(j)=ds(y)} e^{v_j} ) + a · CE(dataset | reversed gradient)

    Letters: v training logits of the head over (dataset, class) pairs, ds(j) the dataset of pair j, a adversarial
    weight. The adversary is one linear classifier per class on the unit embedding: real clips are told apart from
    real clips only, so that reversing its gradient does not remove the label where datasets differ in their
    share of fakes. The reversed gradient grows as 2/(1 + e^{-10 t}) - 1 with the share t of training done.

    Args:
        num_classes: C of the task; the head has num_domains · C rows.
        embedding_dim: E.
        head: name of the head; any that owns class weights.
        head_options: that head's own options.
        num_domains: largest number of datasets. Each value of `LossContext.domains` takes the next free rows when
            it is first seen in training.
        adversarial_weight: a; 0 is off.
        leak_probability: chance that a row of another dataset enters a clip's denominator in training.
        seed: of those chances.

    Two classes: one pair of weights per dataset. The score, on any dataset, is the log-sum-exp over the fake
    rows of all datasets seen in training minus that over their real rows, in cosine units.
    Differs from the paper: known are the dataset-aware softmax, the reversed dataset classifier and
    leak_probability ("crossing dropout", 1e-4); the class-wise linear adversary, its weight and training in
    one stage are ours.
    """

    needs = LossNeeds(context=("domains",))
    has_native_score = True
    domain_ids: Tensor
    seen: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        head: str = "arcface",
        head_options: Mapping[str, Any] | None = None,
        num_domains: int = 8,
        adversarial_weight: float = 0.1,
        leak_probability: float = 1e-4,
        seed: int = 0,
    ) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.num_domains = int(check_range(self, "num_domains", num_domains, 1, 1000))
        self.adversarial_weight = check_range(self, "adversarial_weight", adversarial_weight, 0.0, 100.0)
        self.leak_probability = check_range(self, "leak_probability", leak_probability, 0.0, 1.0)
        rows = self.num_domains * num_classes
        self.head = build_head(
            head,
            head_options,
            num_rows=rows,
            num_classes=num_classes,
            embedding_dim=embedding_dim,
            owner="DAIL",
        )
        _check_head(head, self.head)
        self.needs = replace(self.needs, norm_must_vary=self.head.needs.norm_must_vary)
        shape = (num_classes, self.num_domains, embedding_dim)
        self.adversary = nn.Parameter(torch.zeros(shape)) if self.adversarial_weight > 0 else None
        self.draws = Draws("dail", seed)
        self.register_buffer("domain_ids", torch.full((self.num_domains,), _FREE))
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.bool))

    def score(self, embeddings: Tensor) -> Tensor:
        """Log-sum-exp over fake rows minus that over real rows, of the datasets seen (B,), without margin."""
        scale = self.head.score_scale
        logits = self.head.cosines(embeddings) * scale
        if bool(self.seen.any()):
            logits = logits.masked_fill(~self.seen, -torch.inf)
        by_class = logits.reshape(-1, self.num_domains, self.num_classes)
        real = torch.logsumexp(by_class[:, :, 0], dim=1)
        fakes = torch.logsumexp(by_class[:, :, 1:].flatten(1), dim=1)
        return (fakes - real) / scale

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        domains = self._domains(y, context)
        rows = domains * self.num_classes + y
        if self.state_moves(context):
            self._remember(rows)
        logits = self.head.training_logits(z, rows, context)
        loss = self.head.criterion(logits.masked_fill(~self._competitors(domains, context), -torch.inf), rows)
        if self.adversary is None:
            return loss
        x = reverse_gradient(unit_rows(z), reversal_strength(context.progress))
        guesses = F.linear(x, self.adversary.to(z.dtype).flatten(0, 1))
        guesses = guesses.view(len(y), -1, self.num_domains)[torch.arange(len(y), device=y.device), y]
        return loss + self.adversarial_weight * F.cross_entropy(guesses, domains, reduction="none")

    @torch.no_grad()
    def _domains(self, y: Tensor, context: LossContext) -> Tensor:
        """Each clip's dataset as a number below num_domains (B,); new datasets are entered in training."""
        why = "classes compete within their own dataset"
        ids = context_tensor(context, "domains", owner="DAIL", shape=tuple(y.shape), why=why).to(y.device)
        moves = self.state_moves(context)
        table = self._extended(gather_plain(ids) if moves else ids)
        if moves:
            self.domain_ids.copy_(table)
        return (ids[:, None] == table).long().argmax(dim=1)

    def _extended(self, ids: Tensor) -> Tensor:
        """The table of known datasets with those of `ids` in its next free places, in order of their value."""
        table = self.domain_ids
        new = torch.unique(ids[~torch.isin(ids, table)])
        if len(new) == 0:
            return table
        known = int((table != _FREE).sum())
        if known + len(new) > self.num_domains:
            raise LossInputError(
                f"DAIL: the clips come from {known + len(new)} datasets or more; num_domains is {self.num_domains}"
                ". Raise num_domains."
            )
        table = table.clone()
        table[known : known + len(new)] = new
        return table

    @torch.no_grad()
    def _remember(self, rows: Tensor) -> None:
        counts = torch.bincount(rows, minlength=len(self.seen))
        self.seen |= all_reduce_sum(counts) > 0

    def _competitors(self, domains: Tensor, context: LossContext) -> Tensor:
        """Rows in each clip's denominator (B, num_domains · C)."""
        of_row = torch.arange(self.num_domains, device=domains.device).repeat_interleave(self.num_classes)
        own = domains[:, None] == of_row[None, :]
        if not self.training or self.leak_probability == 0.0:
            return own
        leaked = self.draws.uniform(*own.shape, again=context.repeated) < self.leak_probability
        return own | leaked.to(own.device)


def reversal_strength(progress: float) -> float:
    """2 / (1 + e^{-10 t}) - 1: from 0 to 1 over training."""
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


def _check_head(name: str, head: HeadLoss) -> None:
    """Refuse a head whose loss is more, or other, than cross-entropy on its training logits."""
    if not isinstance(head, SoftmaxHead | MarginHead) or type(head)._per_clip is not HeadLoss._per_clip:
        raise LossInputError(
            f"DAIL: head is '{name}', whose loss is not the cross-entropy of its logits; it takes 'softmax', "
            "'arcface', 'cosface' …"
        )
    if head.cross_entropy.label_smoothing > 0:
        raise LossInputError(
            "DAIL: head_options has label_smoothing, which would ask for classes that do not compete; it takes 0."
        )
