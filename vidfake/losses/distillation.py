"""A student of degraded clips learns from a frozen teacher of clean ones: by triplets, and by soft targets."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor
from torch.nn.functional import kl_div, linear, log_softmax

from vidfake.losses.angular import unit_rows
from vidfake.losses.base import LOSSES, EmbeddingLoss, LossContext, LossNeeds, SearchSpace
from vidfake.losses.context_checks import context_tensor
from vidfake.losses.distributed import gather_plain, whole_batch
from vidfake.losses.heads import SoftmaxOptions
from vidfake.losses.options import check_range
from vidfake.losses.pairs import Pairs, distances
from vidfake.losses.softmax import Softmax
from vidfake.losses.triplet import hinge_triplets

_SOURCE = "Georgescu, Ionescu 2020, https://arxiv.org/abs/2008.01003"


def teacher_of(context: LossContext, z: Tensor, owner: str) -> Tensor:
    """The teacher's embeddings of the same clips, undegraded (B, E), a constant; or LossInputError."""
    why = "a frozen teacher's embeddings of the same clips before they were degraded"
    return context_tensor(context, "teacher", owner=owner, shape=tuple(z.shape), why=why).detach().to(z.dtype)


@LOSSES.register(
    "teacher_triplet",
    source=_SOURCE,
    family="distillation",
    tier=2,
    search_space=SearchSpace({"margin": (0.1, 0.2, 0.4)}),
)
class TeacherTriplet(EmbeddingLoss):
    """The student's clip nearer to the teacher's of its class than to the student's of another, by a margin.

        L = mean⁺ over i, p: y_p = y_i, n: y_n ≠ y_i of [||x_i - t_p|| - ||x_i - x_n|| + m]₊

    Letters: x student's and t teacher's embedding at unit length, m margin; mean⁺ runs over the terms above 0. p
    may be the clip i itself.

    Args:
        margin: m; 0.1 to 0.4.

    Shape:
        embeddings (B, E); labels (B,); `LossContext.teacher` (B, E), of the clean clips; a scalar. No per-clip
        value: the mean is over triplets, of all processes in training.

    Two classes: pulls the student's fakes to the teacher's fakes; as good as the teacher's classes are.
    Differs from the paper: all triplets of the batch; the margin is ours, the paper's is not known.
    """

    needs = LossNeeds(classes_per_batch=2, clips_per_class=2, context=("teacher",))

    def __init__(self, *, num_classes: int, embedding_dim: int, margin: float = 0.2) -> None:
        super().__init__(num_classes=num_classes, embedding_dim=embedding_dim)
        self.margin = check_range(self, "margin", margin, 0.0, open_low=True)

    def _total(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        teacher = teacher_of(context, z, type(self).__name__)
        z, y = whole_batch(z, y, training=self.training)
        teacher = gather_plain(teacher) if self.training else teacher
        x, pairs = unit_rows(z), Pairs.of(z, y)
        sums, counts = hinge_triplets(
            distances(x, unit_rows(teacher)),
            ~pairs.negatives,
            distances(x, x),
            pairs.negatives,
            margin=self.margin,
            semihard=False,
        )
        return sums.sum() / counts.sum().clamp_min(1)


@LOSSES.register(
    "teacher_kd",
    source=f"{_SOURCE}; Hinton et al. 2015, https://arxiv.org/abs/1503.02531",
    family="distillation",
    tier=2,
    search_space=SearchSpace({"temperature": (2.0, 4.0, 8.0), "teacher_share": (0.3, 0.5, 0.8)}),
)
class TeacherKD(Softmax):
    """Cross-entropy, mixed with the teacher's softened class probabilities as targets.

        L = (1 - a) CE + a T² KL(q_T || p_T),   p_T = softmax(l(z) / T),  q_T = softmax(l(t) / T)

    Letters: z student's and t teacher's embedding, l the linear layer of this loss (a constant where the teacher's
    logits are made), T temperature, a `teacher_share`.

    Args:
        temperature: T; 2 to 8.
        teacher_share: a; 0 to 1.

    Shape:
        embeddings (B, E); labels (B,); `LossContext.teacher` (B, E), of the clean clips; a scalar.

    Two classes: soft targets carry one number per clip, how sure the teacher is.
    Differs from the paper: teacher and student share one linear layer, so a teacher is known by its embeddings
    alone; T and a are ours, the paper's are not known.
    """

    needs = LossNeeds(context=("teacher",))

    def __init__(
        self, *, temperature: float = 4.0, teacher_share: float = 0.5, **options: Unpack[SoftmaxOptions]
    ) -> None:
        super().__init__(**options)
        self.temperature = check_range(self, "temperature", temperature, 0.0, 100.0, open_low=True)
        self.teacher_share = check_range(self, "teacher_share", teacher_share, 0.0, 1.0)

    def _per_clip(self, z: Tensor, y: Tensor, context: LossContext) -> Tensor:
        teacher = teacher_of(context, z, type(self).__name__)
        bias = None if self.bias is None else self.bias.detach().to(z.dtype)
        targets = log_softmax(linear(teacher, self.weight.detach().to(z.dtype), bias) / self.temperature, dim=1)
        logits = self.training_logits(z, y, context)
        soft = kl_div(log_softmax(logits / self.temperature, dim=1), targets, reduction="none", log_target=True)
        hard = self.criterion(logits, y)
        return (1 - self.teacher_share) * hard + self.teacher_share * self.temperature**2 * soft.sum(1)
