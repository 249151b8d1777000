"""A config in a TOML file: read as the defaults of the flags, written by --print-config."""

import dataclasses
import functools
import inspect
import json
import tomllib
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

from genmem.commands.run_flags import TOPICS, config_of, flags_of
from genmem.empirics.config import TrainConfig
from genmem.empirics.training.grids import Grid
from genmem.shared.errors import InputError, known

ConfigFile = Annotated[Path | None, tyro.conf.arg(name="config", metavar="FILE")]

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


def with_file(function: Callable, arguments: list[str]) -> Callable:
    """The command with the values of the file after --config, if there is one, in place of its flags' defaults.

    Raises InputError for a file that cannot be read, and for a field that the command does not have.
    """
    path = _path(arguments)
    if path is None:
        return function
    values = _read(path)
    parts = {"run": TrainConfig, "grid": Grid}
    parts = {name: cls for name, cls in parts.items() if name in inspect.signature(function).parameters}
    fields = {field.name: (part, field) for part, cls in parts.items() for field in dataclasses.fields(cls)}
    given: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for name, value in values.items():
        known(f"a field of {path}", name, fields)
        part, field = fields[name]
        given[part][name] = _checked(name, value, field, path)
    defaults = {part: cls(**given[part]) for part, cls in parts.items()}
    return functools.partial(function, **(defaults | {"run": flags_of(defaults["run"])}))


def _path(arguments: list[str]) -> Path | None:
    """The file that the command line names last."""
    names = [after for flag, after in zip(arguments, arguments[1:], strict=False) if flag == "--config"]
    names += [argument.removeprefix("--config=") for argument in arguments if argument.startswith("--config=")]
    return Path(names[-1]) if names else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"config must be a file that can be read, but '{path}' was given: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"config must be a TOML file, as --print-config writes it, but '{path}' is none: {error}"
        ) from None


def _checked(name: str, value: Any, field: dataclasses.Field, path: Path) -> Any:
    """The value as the field has it: lists as tuples, and whole numbers as floats where the field is one."""
    kind = int if field.default is None else type(field.default)
    if kind is float and type(value) is int:
        return float(value)
    if kind is tuple and isinstance(value, list):
        entry = float if "float" in str(field.type) else int
        entries = [float(each) if entry is float and type(each) is int else each for each in value]
        if all(type(each) is entry for each in entries):
            return tuple(entries)
        raise InputError(
            f"{name} must be a list in which each entry is {_KINDS[entry]}, but {value!r} is given in {path}"
        )
    if type(value) is not kind:
        raise InputError(f"{name} must be {_KINDS[kind]}, but {value!r} is given in {path}")
    if typing.get_origin(field.type) is typing.Literal:
        known(f"{name} in {path}", value, typing.get_args(field.type))
    return value


def as_toml(run: Any, grid: Grid | None = None) -> str:
    """All values of a run's flags (and of a grid) as TOML, by topic; read back it gives the same config.

    A value of None, which TOML does not have, is left out, as is all of a grid that is not given.
    """
    config, lines = config_of(run), []
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    topics = {**TOPICS, "other": tuple(set(names) - {name for group in TOPICS.values() for name in group})}
    for topic, members in topics.items():
        lines += [f"\n# {topic}"] * bool(members) + [
            f"{name} = {_toml(getattr(config, name))}" for name in members if getattr(config, name) is not None
        ]
    if grid is not None and grid != Grid():
        given = {field.name: getattr(grid, field.name) for field in dataclasses.fields(grid)}
        lines += ["\n# grid", *(f"{name} = {_toml(value)}" for name, value in given.items() if value)]
    return "\n".join(lines).strip()


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | str):
        # JSON's true, false and texts are TOML's, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
