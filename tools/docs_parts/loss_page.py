"""docs/losses.md, from the registry and the losses' own docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidfake.losses import LOSSES, EmbeddingLoss, LossNeeds, defaults_for
from vidfake.losses.heads import MarginLogits, SoftmaxHead
from vidfake.registry import Row

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "losses.md"
HERE = Path(__file__).parent

FAMILIES = {
    "softmax": "Softmax heads without a margin",
    "margin": "Heads with a margin",
    "adaptive": "Heads that adapt margin, scale or weights of clips",
    "one_class": "One-class losses",
    "wrapper": "Losses that wrap a head",
    "pair": "Pair losses",
    "regulariser": "Additions to another loss",
    "distillation": "Losses with a teacher",
}
_SECTION = re.compile(r"(Letters|Args|Shape|Raises|Two classes|Differs from [^:\n]*|Known[^:\n]*):")


@dataclass
class Doc:
    """A docstring in parts: first line, indented equation, free text, and labelled sections."""

    summary: str
    equation: str = ""
    text: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: object) -> Doc:
        """Parts of the docstring of a class."""
        head, _, body = (inspect.getdoc(thing) or "").partition("\n\n")
        doc, label = cls(" ".join(head.split())), ""
        for line in body.splitlines():
            match = _SECTION.match(line)
            if match:
                label = match[1]
                doc.sections[label] = line[match.end() :].strip()
            elif label in ("Args", "Shape", "Raises") or (label and line and not line.startswith(" ")):
                doc.sections[label] += "\n" + line
            elif not line.strip():
                label = label if label in ("Args", "Shape", "Raises") else ""
                doc.equation += "\n" if not label and doc.equation and not doc.text else ""
            elif line.startswith("    "):
                doc.equation += line[4:] + "\n"
            else:
                doc.text.append(line)
        return doc

    def prose(self, label: str) -> str:
        """A section as one line that starts as a sentence does."""
        text = " ".join(self.sections.get(label, "").split())
        return text[:1].upper() + text[1:] if text[:1].isascii() and text[1:2].isalpha() else text

    def starting(self, word: str) -> list[tuple[str, str]]:
        """Sections whose label starts with the word."""
        return [(label, self.prose(label)) for label in self.sections if label.startswith(word)]

    def options(self) -> dict[str, str]:
        """Option -> explanation, from the section Args."""
        found: dict[str, str] = {}
        names: list[str] = []
        for line in self.sections.get("Args", "").splitlines():
            match = re.match(r" {4}([a-z_][a-z_0-9, ]*): (.*)", line)
            if match:
                names = [name.strip() for name in match[1].split(",")]
                found |= dict.fromkeys(names, match[2])
            elif line.strip():
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
        return found


def page() -> str:
    """The whole page."""
    parts = [(HERE / "losses_head.md").read_text("utf-8"), _common_options(), _catalogue()]
    for family, title in FAMILIES.items():
        parts.append(f"## {title}\n")
        picture = ROOT / "docs" / "images" / f"loss_{family}.png"
        if picture.exists():
            parts.append(f"![{title}](images/{picture.name})\n")
        parts += [_section(row) for row in _rows(family)]
    return "\n".join(parts).rstrip() + "\n"


def _rows(family: str) -> list[Row[EmbeddingLoss]]:
    return sorted((row for row in LOSSES if row.details["family"] == family), key=lambda row: row.name)


def _catalogue() -> str:
    lines = ["## Catalogue\n", "| name | what it is | tier | status |", "|---|---|---|---|"]
    for family in FAMILIES:
        lines += [
            f"| [`{row.name}`](#{row.name}) | {_cell(row.summary)} | {row.details['tier']} | {row.status} |"
            for row in _rows(family)
        ]
    unknown = {row.details["family"] for row in LOSSES} - set(FAMILIES)
    if unknown:
        raise ValueError(f"give these families a title in {Path(__file__).name}: {sorted(unknown)}")
    return "\n".join(lines) + "\n"


def _common_options() -> str:
    lines = ["## Options that heads share\n", "| option | default | meaning |", "|---|---|---|"]
    for base in (SoftmaxHead, MarginLogits):
        defaults = inspect.signature(base).parameters
        described = {**Doc.of(base.__mro__[1]).options(), **Doc.of(base).options()}
        for name, meaning in described.items():
            row = f"| `{name}` | {_value(defaults[name].default)} | {_cell(meaning)} |"
            if name != "scale" and row not in lines:
                lines.append(row)
    return "\n".join(lines) + "\n"


def _section(row: Row[EmbeddingLoss]) -> str:
    doc = Doc.of(row.factory)
    lines = [f"### {row.name}\n", doc.summary + "\n", "```text", doc.equation.rstrip(), "```\n"]
    if "Letters" in doc.sections:
        lines.append(f"*Letters.* {_cell(doc.prose('Letters'))}\n")
    if doc.text:
        lines.append(" ".join(doc.text) + "\n")
    lines += [_options(row, doc), f"*Two classes.* {doc.prose('Two classes')}\n"]
    needs = _needs(row.factory.needs)  # type: ignore[attr-defined]
    if needs:
        lines.append(f"*Needs.* {needs}\n")
    known = [f"*{label}.* {text}\n" for label, text in [*doc.starting("Differs"), *doc.starting("Known")]]
    status = "; **a reconstruction**: the paper could not be read in full" if row.status == "reconstruction" else ""
    return "\n".join([*lines, *known, f"*Source.* {row.source}{status}.\n"])


def _options(row: Row[EmbeddingLoss], doc: Doc) -> str:
    """Table of the loss's own options; shared ones are named below it."""
    described = doc.options()
    few, many = row.options(), defaults_for(row.name, 5)
    space = row.details["search_space"]
    own = [name for name in few if name in described and name not in ("num_classes", "embedding_dim")]
    shared = [name for name in few if name not in described and name not in ("num_classes", "embedding_dim")]
    lines = []
    if own:
        lines = ["| option | C = 2 | C ≥ 5 | search C = 2 | search C ≥ 5 | meaning |", "|---|---|---|---|---|---|"]
    for name in own:
        default = defaults_for(row.name, 2).get(name, few[name].default)
        searched = [_values(space.for_classes(c).get(name, ())) for c in (2, 5)]
        cells = [f"`{name}`", _value(default), _value(many.get(name, default)), *searched, _cell(described[name])]
        lines.append("| " + " | ".join(cells) + " |")
    extra = [f"`{name}` {_values(values)}" for name, values in _searched(space).items() if name not in own]
    if shared:
        lines += ["", "Shared options: " + ", ".join(f"`{name}`" for name in shared) + "."]
    if extra:
        lines += ["", "Also searched: " + "; ".join(extra) + "."]
    return "\n".join(lines) + "\n"


def _searched(space: Any) -> Mapping[str, tuple[Any, ...]]:
    return {**space.for_classes(2), **space.for_classes(5)}


def _needs(needs: LossNeeds) -> str:
    wants = []
    if needs.classes_per_batch > 1 or needs.clips_per_class > 1:
        wants.append(f"batches of {needs.classes_per_batch} classes × {needs.clips_per_class} clips or more")
    if needs.norm_must_vary:
        wants.append("an embedding whose norm can vary")
    if needs.min_classes > 2:
        wants.append(f"{needs.min_classes} classes or more")
    if needs.max_classes is not None:
        wants.append(f"{needs.max_classes} classes at most")
    wants += [f"`LossContext.{name}`" for name in needs.context]
    return "; ".join(wants) + "." if wants else ""


def _values(values: tuple[Any, ...]) -> str:
    return ", ".join(_value(value) for value in values)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return _cell("none" if value is None else str(value))


def _cell(text: str) -> str:
    """Text that cannot end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(LOSSES)} losses")
