"""What every loss of the registry must do. A new row is tested here without a line of its own, unless an option has
no natural second value (then SECOND_VALUES) or does nothing for a reason (then WITHOUT_EFFECT)."""

from __future__ import annotations

import copy
import inspect
import re
import typing
from dataclasses import replace

import pytest
import torch

from vidfake.errors import LossInputError
from vidfake.losses import LOSSES, HeadLoss, LossContext, SearchSpace, defaults_for
from vidfake.losses.draws import Draws

DIM = 8
NAMES = pytest.mark.parametrize("name", LOSSES.names())

# second values, with the other options they need to show
SECOND_VALUES: dict[tuple[str, str], dict[str, object]] = {
    ("*", "class_weights"): {"class_weights": [1.0, 2.0, 3.0, 4.0, 5.0]},
    ("*", "class_counts"): {"class_counts": [16.0, 1.0, 2.0, 3.0, 4.0]},
    ("adacos", "mode"): {"mode": "fixed", "min_target_probability": 0.0},
    ("combined_margin", "interclass_filter"): {"interclass_filter": 0.0},
    ("dail_r", "head"): {"head": "cosface"},
    ("dail_r", "head_options"): {"head_options": {"scale": 3.0}},
    ("dail_r", "leak_probability"): {"leak_probability": 0.9},
    ("dail_r", "seed"): {"seed": 1, "leak_probability": 0.5},
    ("focal", "alpha"): {"alpha": 0.3},
    ("magface", "norm_bounds"): {"norm_bounds": [0.5, 50.0]},
    ("maxout", "head"): {"head": "normface"},
    ("maxout", "head_options"): {"head_options": {"label_smoothing": 0.2}},
    ("sphereface2", "positive_weight"): {"positive_weight": 0.3},
    ("cc_r", "reduction"): {"reduction": 4},
    ("cross_batch_memory", "loss"): {"loss": "triplet"},
    ("cross_batch_memory", "size"): {"size": 8},
    ("mcfl_r", "attributes"): {"attributes": [[0, 0], [1, 0], [1, 1], [1, 1], [1, 0]]},
    ("cross_batch_memory", "loss_options"): {"loss_options": {"negative_margin": 0.5}},
    ("npair", "norm_weight"): {"norm_weight": 0.1, "normalise": False},
    ("subcenter_arcface", "arc_guard"): {"arc_guard": "none", "centres_real": 1, "centres_fake": 1},
    ("subcenter_arcface", "weights"): {"weights": "simplex", "centres_real": 1, "centres_fake": 1},
    ("triplet", "soft"): {"soft": True, "mining": "hard"},
    ("subcenter_arcface", "temperature"): {"temperature": 0.5, "pooling": "soft"},
}
# a constant margin has gradient 1 already, so detaching it changes nothing; the option is there so that one setting
# serves every margin head of a study
WITHOUT_EFFECT = {(name, "gradient") for name in ("confidence_penalty", "cosface", "elastic_cosface", "uniface")}
# takes the first two clips of each class, whichever they are
ORDER_MATTERS = {"npair"}


def classes_for(name: str) -> list[int]:
    needs = LOSSES.row(name).factory.needs
    return [c for c in (2, 5) if needs.min_classes <= c <= (needs.max_classes or c)]


CASES = pytest.mark.parametrize(("name", "num_classes"), [(n, c) for n in LOSSES.names() for c in classes_for(n)])


def build(name: str, num_classes: int, *, seed: int = 0, **options):
    torch.manual_seed(seed)
    given = {**defaults_for(name, num_classes), **options}
    return LOSSES.build(name, num_classes=num_classes, embedding_dim=DIM, **given)


def make_batch(num_classes: int, *, size: int = 20, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % num_classes
    z = torch.randn(size, DIM, generator=generator) * (0.5 + torch.rand(size, 1, generator=generator))
    return z, y


def context_for(y: torch.Tensor, num_classes: int, *, progress: float = 1.0, seed: int = 0) -> LossContext:
    generator = torch.Generator().manual_seed(100 + seed)
    size = len(y)
    return LossContext(
        progress=progress,
        binary_labels=(y > 0).long(),
        video_ids=tuple(f"v{i}" for i in range(size)),
        source_ids=tuple(f"s{i // 2}" for i in range(size)),
        domains=(torch.arange(size) // num_classes) % 2,
        teacher=torch.randn(size, DIM, generator=generator),
        class_weights=torch.randn(num_classes, DIM, generator=generator),
    )


def reorder(context: LossContext, order: torch.Tensor) -> LossContext:
    return replace(
        context,
        binary_labels=context.binary_labels[order],
        video_ids=tuple(context.video_ids[i] for i in order.tolist()),
        source_ids=tuple(context.source_ids[i] for i in order.tolist()),
        domains=context.domains[order],
        teacher=context.teacher[order],
    )


def has_draws(loss: torch.nn.Module) -> bool:
    return any(isinstance(module, Draws) for module in loss.modules())


def assert_finite(loss, value, z, case: str = "") -> None:
    assert value.ndim == 0
    assert torch.isfinite(value), case
    value.backward()
    assert torch.isfinite(z.grad).all(), case
    for key, parameter in loss.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), f"{case}: {key}"


@CASES
def test_builds_from_defaults_and_trains_all_it_owns(name, num_classes):
    loss = build(name, num_classes)
    z, y = make_batch(num_classes)
    z.requires_grad_()
    value = loss(z, y, context=context_for(y, num_classes, progress=0.9))
    assert value.dtype == torch.float32
    assert_finite(loss, value, z)
    assert z.grad.abs().sum() > 0
    untouched = [n for n, p in loss.named_parameters() if p.grad is None]
    assert not untouched, f"no gradient reaches {untouched}"


@NAMES
def test_the_row_says_what_a_catalogue_needs(name):
    row = LOSSES.row(name)
    assert row.status in ("", "reconstruction")
    assert row.details["family"]
    assert row.details["tier"] in (1, 2, 3)
    assert isinstance(row.details["search_space"], SearchSpace)
    assert row.source
    assert row.summary.endswith("."), "the first line of the docstring stands alone"
    text = inspect.getdoc(row.factory)
    assert "Two classes:" in text
    assert "Differs from" in text or (row.status == "reconstruction" and "Known" in text)
    assert re.search(r"\n\n {4}\S", text), "an indented equation follows the first line"
    assert (row.status == "reconstruction") == (name.endswith("_r") and name != "sphereface_r")
    documented = "\n".join(inspect.getdoc(base) or "" for base in row.factory.__mro__)
    for option in row.options():
        if option not in ("num_classes", "embedding_dim"):
            assert re.search(rf"\b{option}\b", documented), f"{option} is not explained"


@CASES
def test_the_search_space_can_be_built(name, num_classes):
    for option, values in LOSSES.row(name).details["search_space"].for_classes(num_classes).items():
        assert len(values) > 1
        for value in values:
            build(name, num_classes, **{option: value})


def fingerprint(loss, num_classes: int) -> torch.Tensor:
    """Values and gradients over a short training, the value in evaluation, and the score."""
    found = []
    for step, progress in enumerate((0.02, 0.3, 1.0)):
        z, y = make_batch(num_classes, seed=step)
        weight = getattr(loss, "weight", None)
        if weight is not None and weight.shape == (num_classes, DIM):
            z[:4] -= 8 * weight.detach()[y[:4]]  # clips on the wrong side, where guards act
        z.requires_grad_()
        value = loss(z, y, context=context_for(y, num_classes, progress=progress, seed=step))
        loss.zero_grad()
        value.backward()
        found += [value.detach().reshape(1), z.grad.flatten()]
        with torch.no_grad():
            for parameter in loss.parameters():
                parameter -= 0.05 * parameter.grad
    loss.eval()
    found.append(loss(z, y, context=context_for(y, num_classes)).detach().reshape(1))
    if loss.has_native_score:
        found.append(loss.score(z).detach())
    return torch.cat(found)


def second_value(name: str, option: str, parameter: inspect.Parameter) -> dict[str, object]:
    for key in ((name, option), ("*", option)):
        if key in SECOND_VALUES:
            return SECOND_VALUES[key]
    space = LOSSES.row(name).details["search_space"].for_classes(5)
    default = defaults_for(name, 5).get(option, parameter.default)
    for value in space.get(option, ()):
        if value != default:
            return {option: value}
    if isinstance(default, bool):
        return {option: not default}
    if isinstance(default, int):
        return {option: default + 1}
    if isinstance(default, float):
        return {option: default / 2 if default else 0.1}
    hints = typing.get_type_hints(LOSSES.row(name).factory.__init__)
    choices = typing.get_args(hints.get(option, parameter.annotation))
    others = [c for c in choices if c != default]
    assert others, f"give ({name!r}, {option!r}) a second value in SECOND_VALUES"
    return {option: others[0]}


@NAMES
@pytest.mark.filterwarnings("ignore:MagFace")
def test_every_option_changes_the_outcome(name):
    base: dict[str, torch.Tensor] = {}
    for option, parameter in LOSSES.row(name).options().items():
        if option in ("num_classes", "embedding_dim") or (name, option) in WITHOUT_EFFECT:
            continue
        changed = second_value(name, option, parameter)
        company = {key: value for key, value in changed.items() if key != option}
        key = repr(company)
        if key not in base:
            base[key] = fingerprint(build(name, 5, **company), 5)
        other = fingerprint(build(name, 5, **changed), 5)
        assert other.shape != base[key].shape or not torch.equal(other, base[key]), f"{option} does nothing"


@CASES
def test_inputs_and_options_are_left_alone(name, num_classes):
    options = {"head_options": {"focal_gamma": 0.5}} if "head_options" in LOSSES.row(name).options() else {}
    if "class_weights" in LOSSES.row(name).options():
        options["class_weights"] = [1.0] * num_classes
    given = copy.deepcopy(options)
    loss = build(name, num_classes, **options)
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    before = z.clone(), y.clone(), copy.deepcopy(context)
    loss(z, y, context=context)
    if loss.has_native_score:
        loss.score(z)
    assert torch.equal(z, before[0])
    assert torch.equal(y, before[1])
    assert torch.equal(context.teacher, before[2].teacher)
    assert torch.equal(context.class_weights, before[2].class_weights)
    assert options == given


def train_step(loss, num_classes: int, seed: int) -> torch.Tensor:
    z, y = make_batch(num_classes, seed=seed)
    loss.zero_grad()
    value = loss(z.requires_grad_(), y, context=context_for(y, num_classes, progress=0.5, seed=seed))
    value.backward()
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter -= 0.05 * parameter.grad
    return value.detach()


@CASES
def test_a_stored_state_goes_on_as_if_never_stopped(name, num_classes):
    loss = build(name, num_classes)
    for seed in range(3):
        train_step(loss, num_classes, seed)
    resumed = build(name, num_classes, seed=99)
    resumed.load_state_dict(copy.deepcopy(loss.state_dict()))
    for seed in (3, 4):
        assert torch.equal(train_step(resumed, num_classes, seed), train_step(loss, num_classes, seed))
    z, y = make_batch(num_classes, seed=9)
    context = context_for(y, num_classes)
    assert torch.equal(resumed.eval()(z, y, context=context), loss.eval()(z, y, context=context))
    if loss.has_native_score:
        assert torch.equal(resumed.score(z), loss.score(z))


@CASES
def test_evaluation_and_repeated_passes_move_no_state(name, num_classes):
    loss = build(name, num_classes)
    train_step(loss, num_classes, 0)
    before = copy.deepcopy(loss.state_dict())
    z, y = make_batch(num_classes, seed=1)
    context = context_for(y, num_classes)
    loss(z, y, context=replace(context, repeated=True))
    loss.eval()(z, y, context=context)
    for key, value in loss.state_dict().items():
        assert torch.equal(value, before[key]), key


@CASES
def test_the_order_of_the_batch_does_not_matter(name, num_classes):
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    for training in (True, False):
        loss = build(name, num_classes).train(training)
        if name in ORDER_MATTERS or (training and has_draws(loss)):
            continue
        again = copy.deepcopy(loss)
        value, shuffled = loss(z, y, context=context), again(z[order], y[order], context=reorder(context, order))
        torch.testing.assert_close(shuffled, value, rtol=1e-5, atol=1e-6)


@CASES
def test_length_does_not_matter_to_normalised_heads(name, num_classes):
    loss = build(name, num_classes)
    if not (isinstance(loss, HeadLoss) and loss.normalised):
        return
    z, y = make_batch(num_classes)
    lengths = torch.logspace(-2, 2, len(y))[:, None]
    context = context_for(y, num_classes)
    again = copy.deepcopy(loss)
    value, rescaled = loss(z, y, context=context), again(lengths * z, y, context=context)
    torch.testing.assert_close(rescaled, value, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss.score(lengths * z), loss.score(z), rtol=1e-5, atol=1e-5)


@CASES
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_around_a_loss_leaves_it_in_float32(name, num_classes, dtype):
    loss = build(name, num_classes)
    plain = copy.deepcopy(loss)
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    half = z.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        value = loss(half, y, context=context)
        if loss.has_native_score:
            assert loss.score(half).dtype == torch.float32
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, plain(z.to(dtype).float(), y, context=context))
    value.backward()
    assert torch.isfinite(half.grad).all()
    for key, tensor in loss.state_dict().items():
        assert tensor.dtype == plain.state_dict()[key].dtype, key
        assert not tensor.dtype.is_floating_point or tensor.dtype == torch.float32, key


@CASES
def test_double_precision_is_kept(name, num_classes):
    loss = build(name, num_classes).double()
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    context = replace(context, teacher=context.teacher.double(), class_weights=context.class_weights.double())
    assert loss(z.double(), y, context=context).dtype == torch.float64


def weight_rows(loss, num_classes: int) -> torch.Tensor:
    """One row per class that a clip may sit exactly on: the loss's own weights or centres, else anything."""
    tensors = [*loss.parameters(), *loss.buffers()]
    rows = [t for t in tensors if t.ndim == 2 and t.shape[1] == DIM and len(t) >= num_classes]
    source = rows[0] if rows else torch.randn(num_classes, DIM)
    return source.detach()[:num_classes].float().clone()


DEGENERATE = {
    "on its weight": lambda rows, y: rows[y],
    "opposite its weight": lambda rows, y: -rows[y],
    "on another's weight": lambda rows, y: rows[(y + 1) % len(rows)],
    "all zero": lambda rows, y: 0 * rows[y],
    "one zero": lambda rows, y: rows[y] + torch.where(torch.arange(len(y))[:, None] == 0, -rows[y], 1.0),
    "all the same": lambda rows, y: rows[:1].expand(len(y), -1),
    "tiny": lambda rows, y: 1e-8 * (rows[y] + torch.randn(len(y), DIM)),
    "huge": lambda rows, y: 1e6 * (rows[y] + torch.randn(len(y), DIM)),
}


@CASES
@pytest.mark.filterwarnings("ignore:MagFace")  # it is right to warn of clips without length
def test_degenerate_batches_are_finite_in_value_and_gradient(name, num_classes):
    # under 8 clips, where losses that read the norm cannot yet tell that it does not vary
    y = torch.tensor([0, 1, 0, 1, num_classes - 1, num_classes - 1])
    fresh = build(name, num_classes)
    for case, made in DEGENERATE.items():
        for weight_scale in (1.0, 0.0):
            loss = copy.deepcopy(fresh)
            z = made(weight_rows(loss, num_classes), y).clone().requires_grad_()
            with torch.no_grad():
                for key, parameter in loss.named_parameters():
                    if key.endswith("weight"):
                        parameter *= weight_scale
            assert_finite(loss, loss(z, y, context=context_for(y, num_classes)), z, case)


@CASES
def test_small_and_one_sided_batches_are_finite(name, num_classes):
    for labels in ([0], [1], [0, 0, 0], [1, 1, 1], [0, 1]):
        loss = build(name, num_classes)
        y = torch.tensor(labels)
        z = torch.randn(len(y), DIM).requires_grad_()
        assert_finite(loss, loss(z, y, context=context_for(y, num_classes)), z, f"labels {labels}")


@CASES
def test_wrong_input_is_an_error_with_the_values(name, num_classes):
    loss = build(name, num_classes)
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    wrong = [
        (z[:, :-1], y, r"embeddings are \(20, 7\); expected \(B, 8\)"),
        (z, y[:-1], r"labels are \(19,\), embeddings \(20, 8\)"),
        (
            z,
            y + num_classes,
            rf"labels run from {num_classes} to {2 * num_classes - 1}; expected \[0, {num_classes}\)",
        ),
        (z, y - 1, "labels run from -1"),
        (z, y.float(), "labels are torch.float32; expected integers"),
        (z[:0], y[:0], "the batch is empty"),
        (torch.where(y[:, None] == 0, torch.nan, z), y, r"embeddings hold NaN or infinity"),
    ]
    for embeddings, labels, message in wrong:
        with pytest.raises(LossInputError, match=message):
            loss(embeddings, labels, context=context)


@CASES
def test_per_clip_values_are_the_losss_own_where_defined(name, num_classes):
    loss = build(name, num_classes).eval()
    z, y = make_batch(num_classes)
    context = context_for(y, num_classes)
    values, refusal = None, ""
    try:
        values = loss.per_clip(z, y, context=context)
    except LossInputError as error:
        refusal = str(error)
    if values is None:
        assert "no per-clip value" in refusal
        return
    assert values.shape == y.shape
    assert torch.isfinite(values).all()
    if isinstance(loss, HeadLoss):
        torch.testing.assert_close(values.mean(), loss(z, y, context=context))


@CASES
def test_missing_context_is_named(name, num_classes):
    loss = build(name, num_classes)
    z, y = make_batch(num_classes)
    for field in loss.needs.context:
        context = replace(context_for(y, num_classes), **{field: None})
        with pytest.raises(LossInputError, match=f"LossContext.{field}"):
            loss(z, y, context=context)
