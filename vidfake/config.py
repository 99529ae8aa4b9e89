"""Configuration: frozen dataclasses hold every default, TOML holds differences, `--set a.b=c` comes last.

No inheritance between files, no interpolation, no code. Unknown keys and wrong types are errors that name
the path, the value received and the nearest known key.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vidfake.errors import ConfigError
from vidfake.registry import nearest

C = TypeVar("C")
MAX_TOML_BYTES = 4 * 2**20
MAX_KEY_PARTS = 32
_LONG_KEY = re.compile(rf"""(?:\.[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*){{{MAX_KEY_PARTS}}}""")


def from_dict(cls: type[C], values: dict[str, Any], path: str = "") -> C:
    """Build a (nested) frozen dataclass from plain values. `path` is where `values` sits, for messages."""
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}{key}"
        if key not in fields:
            known = list(fields)
            raise ConfigError(f"Unknown setting '{where}'. Known here: {', '.join(known)}.{nearest(key, known)}")
        arguments[key] = _convert(hints[key], value, where)
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ConfigError(f"{path.rstrip('.') or 'config'}: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path.rstrip('.') or 'config'}: {error}") from error


def typed(factory: Callable[..., Any], options: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """`options` as the types that `factory` declares for them; those that it does not know stay as they are.

    Raises ConfigError, naming the option with `path` before it, for a value of another type.
    """
    hints = typing.get_type_hints(factory)
    return {name: _convert(hints.get(name, Any), value, f"{path}{name}") for name, value in options.items()}


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as type `hint`, or ConfigError. Integers are accepted for floats; nothing else is coerced."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        errors = []
        for choice in arguments:
            if choice is type(None):
                continue
            try:
                return _convert(choice, value, where)
            except ConfigError as error:
                errors.append(str(error))
        raise ConfigError(errors[0])
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise ConfigError(
            f"Setting '{where}' is {value!r}. Accepted: {', '.join(map(repr, arguments))}."
            f"{nearest(str(value), [str(a) for a in arguments])}"
        )
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigError(f"Setting '{where}' is {value!r}, but it is a table: write [{where}] with its keys.")
        return from_dict(hint, value, f"{where}.")
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"Setting '{where}' is {value!r}, but it is a list.")
        inner = arguments[0] if arguments else Any
        items = [_convert(inner, item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"Setting '{where}' is {value!r}, but it is a table.")
        return {str(k): _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise ConfigError(f"Setting '{where}' is a number of over 300 digits. Write a smaller one.") from error
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"Setting '{where}' is {value!r} ({type(value).__name__}), but it takes {name}.")


def to_dict(config: Any) -> dict[str, Any]:
    """Plain JSON-ready values of a dataclass, tuples as lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return value

    return typing.cast(dict[str, Any], plain(dataclasses.asdict(config)))


def parse_override(text: str) -> tuple[list[str], Any]:
    """``a.b=c`` -> (["a", "b"], value). The value is read as TOML; a bare word is a string, `null` is None."""
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r} is not KEY=VALUE. Example: --set optim.learning_rate=0.001")
    raw = raw.strip()
    try:
        value = _parse(f"value = {raw}")["value"]
    except (ValueError, RecursionError):  # TOMLDecodeError is a ValueError; so is a number of too many digits
        value = None if raw == "null" else raw
    return key.strip().split("."), value


def apply_override(values: dict[str, Any], text: str) -> dict[str, Any]:
    """A copy of `values` with one ``a.b=c`` applied."""
    keys, value = parse_override(text)
    try:
        result = copy.deepcopy(values)
    except RecursionError as error:
        raise ConfigError("the config is nested too deeply. Name a .toml file of settings.") from error
    table = result
    for i, key in enumerate(keys[:-1]):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {text!r}: '{'.'.join(keys[: i + 1])}' is a value, not a table.")
    table[keys[-1]] = value
    return result


def _parse(text: str) -> dict[str, Any]:
    """The tables of TOML. Raises ValueError, of which TOMLDecodeError is one, or RecursionError."""
    if _LONG_KEY.search(text):  # the parser takes memory by the square of a key's parts
        raise ValueError(f"a key has more than {MAX_KEY_PARTS} parts")
    return tomllib.loads(text)


def read_toml(path: Path | str) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError with file and line."""
    try:
        with open(path, "rb") as handle:
            data = handle.read(MAX_TOML_BYTES + 1)
        if len(data) > MAX_TOML_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_TOML_BYTES} bytes; no config is. Name a .toml file.")
        return _parse(data.decode("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such config file. Name an existing .toml file.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder. Name a .toml file.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error


def load(cls: type[C], path: Path | str | None = None, overrides: Sequence[str] = ()) -> C:
    """Defaults, then the file's differences, then each override."""
    values = read_toml(path) if path is not None else {}
    for text in overrides:
        values = apply_override(values, text)
    return from_dict(cls, values)


def to_toml(config: Any) -> str:
    """The TOML of a dataclass, readable by `load`; None is left out."""
    lines: list[str] = []
    _write_table(to_dict(config), [], lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(values: dict[str, Any], path: list[str], lines: list[str]) -> None:
    scalars = {k: v for k, v in values.items() if not isinstance(v, dict) and v is not None}
    tables = {k: v for k, v in values.items() if isinstance(v, dict)}
    if path and (scalars or not tables):
        lines.append(f"\n[{'.'.join(map(_key, path))}]")
    lines.extend(f"{_key(key)} = {_inline(value)}" for key, value in scalars.items())
    for key, value in tables.items():
        _write_table(value, [*path, key], lines)


def _inline(value: Any) -> str:
    """A value on one line; tables inside a list become inline tables, without what is None."""
    if isinstance(value, dict):
        pairs = [f"{_key(key)} = {_inline(item)}" for key, item in value.items() if item is not None]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    """A key as TOML wants it: bare where it may be, else quoted."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)
