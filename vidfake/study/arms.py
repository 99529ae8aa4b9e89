"""What a study runs: every loss for every task, with its search space, or the reason why it has no runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vidfake.errors import ConfigError, LossInputError
from vidfake.losses import LOSSES
from vidfake.losses.combine import build_loss, parse_sum
from vidfake.settings import LossSettings, RunConfig
from vidfake.study.definition import StudyDefinition, Task, Variant
from vidfake.study.results import ArmState, Exclusion
from vidfake.study.space import Dimension, completed, grid_points, settings_at

# A regulariser cannot tell classes apart, or not well, by itself: as its paper does, it is added to cross-entropy,
# with its weight searched (spec A17, A18, A28).
BESIDE = "softmax"
SUM_WEIGHTS: dict[str, tuple[float, ...]] = {
    "center": (1e-4, 1e-3, 1e-2, 1e-1),
    "single_center": (0.1, 0.5, 1.0),
    "ring": (1e-3, 1e-2, 1e-1, 1.0),
}
USUAL_WEIGHTS = (1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Arm:
    """A loss for a task, under a variant of the settings. `expression` has ``{weight}`` where it is searched."""

    task: Task
    name: str
    loss: str
    expression: str
    variant: str
    num_classes: int
    dimensions: tuple[Dimension, ...]
    needs_teacher: bool

    def config(self, base: RunConfig, values: dict[str, Any], seed: int) -> RunConfig:
        """The run's settings for values of the search (names as in `Dimension`)."""
        optim: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for name, value in values.items():
            part, _, setting = name.partition(".")
            if part == "optim":
                factor = setting.endswith("_factor")
                setting = setting.removesuffix("_factor")
                optim[setting] = getattr(base.optim, setting) * value if factor else value
            elif setting != "weight":
                options[setting] = value
        expression = self.expression.format(weight=values.get("loss.weight", 1.0))
        names = [name for _, name in parse_sum(expression)]
        if len(names) > 1:
            options = {self.loss: options} if self.loss in names else _by_part(options)
        loss = LossSettings(name=expression, task=self.task, options=options)
        return replace(base, loss=loss, seed=seed, optim=replace(base.optim, **optim))

    def state(self) -> ArmState:
        """For ``study.json``."""
        row = LOSSES.row(parse_sum(self.expression.format(weight=1.0))[-1][1])
        return ArmState(
            task=self.task,
            arm=self.name,
            expression=self.expression,
            loss=self.loss,
            variant=self.variant,
            family=str(row.details.get("family", "")),
            tier=int(row.details.get("tier", 0)),
            num_classes=self.num_classes,
            dimensions=[d.to_json() for d in self.dimensions],
        )


def _by_part(options: dict[str, Any]) -> dict[str, Any]:
    """``{"arcface.scale": 8}`` as one table per loss of a sum."""
    tables: dict[str, Any] = {}
    for name, value in options.items():
        part, _, option = name.partition(".")
        tables.setdefault(part, {})[option] = value
    return tables


def plan_arms(study: StudyDefinition, num_classes: int) -> tuple[list[Arm], list[Exclusion]]:
    """Every loss for every task and variant. `num_classes` is real and training's manipulations.

    Raises ConfigError for a search space that is empty, does not fit the loss, or (grid) is of another size.
    """
    arms: list[Arm] = []
    excluded: list[Exclusion] = []
    for task in study.tasks:
        classes = 2 if task == "binary" else num_classes
        for variant in study.variants or (Variant(""),):
            for loss in study.loss_names():
                made = _arm(study, task, loss, variant.name, classes)
                (arms if isinstance(made, Arm) else excluded).append(made)  # type: ignore[arg-type]
    return arms, excluded


def _arm(study: StudyDefinition, task: Task, loss: str, variant: str, classes: int) -> Arm | Exclusion:
    name = f"{loss}@{variant}" if variant else loss
    expression = expression_of(loss)
    try:
        built = build_loss(
            LossSettings(name=expression.format(weight=1.0), task=task), num_classes=classes, embedding_dim=8
        )
    except LossInputError as error:
        return Exclusion(task, name, expression, "not_applicable", str(error))
    teacher = "teacher" in built.needs.context
    if teacher and study.mode == "end_to_end":
        reason = "it distils a teacher, which an end-to-end study does not train; use a cached study."
        return Exclusion(task, name, expression, "excluded", f"'{loss}': {reason}")
    own = _own_dimensions(study, loss, expression, classes)
    parameters = any(p.requires_grad for p in built.parameters())
    if study.search == "grid":
        dimensions = tuple(own)
        grid_points(dimensions, study.trials, name)
    else:
        dimensions = completed(own, has_parameters=parameters, dimensions=study.dimensions)
    arm = Arm(task, name, loss, expression, variant, classes, dimensions, teacher)
    _check_space(arm, study)
    return arm


def expression_of(loss: str) -> str:
    """What is built for a loss of the study: itself, or cross-entropy and a weighted regulariser."""
    if parse_sum(loss) != [(1.0, loss)]:
        return loss
    family = LOSSES.row(loss).details.get("family")
    return f"{BESIDE} + {{weight}}*{loss}" if family == "regulariser" or loss in SUM_WEIGHTS else loss


def _own_dimensions(study: StudyDefinition, loss: str, expression: str, classes: int) -> list[Dimension]:
    """The study's own space for a loss, or the registry's. Options of a sum's parts are ``part.option``."""
    if loss in study.spaces:
        return [
            Dimension(name if name.startswith("optim.") else f"loss.{name}", tuple(values))
            for name, values in study.spaces[loss].items()
        ]
    names = [name for _, name in parse_sum(loss)]
    found: list[Dimension] = []
    for name in names:
        prefix = f"{name}." if len(names) > 1 else ""
        space = LOSSES.row(name).details["search_space"].for_classes(classes)
        found += [Dimension(f"loss.{prefix}{option}", tuple(values)) for option, values in space.items()]
    if "{weight}" in expression:
        found.append(Dimension("loss.weight", SUM_WEIGHTS.get(loss, USUAL_WEIGHTS)))
    return found


def _check_space(arm: Arm, study: StudyDefinition) -> None:
    """Build the loss at both ends of each dimension, so that a wrong option is found before the first run."""
    base = study.base_config(variant=arm.variant)
    for u in (0.0, 0.999):
        values = settings_at(arm.dimensions, [u] * len(arm.dimensions))
        config = arm.config(base, values, seed=0)
        try:
            build_loss(config.loss, num_classes=arm.num_classes, embedding_dim=base.model.embedding_dim)
        except LossInputError as error:
            raise ConfigError(f"the search space of '{arm.name}' holds a value it refuses: {error}") from error
