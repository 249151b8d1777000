"""The flags of one run: the fields of TrainConfig, with their defaults and their help, in groups by topic."""

import ast
import dataclasses
import inspect
import textwrap
import typing
from typing import Annotated, Any

import tyro

from genmem.empirics.config import TrainConfig

TOPICS = {
    "data": ("data", "n", "seed", "half", "balanced", "classes", "center", "pixels", "grey", "deduplicate", "range"),
    "network": ("network", "width", "levels", "blocks", "dropout", "drop_channels"),
    "noise": ("process", "copies", "train_time", "lowest_step"),
    "optimizer": (
        "optimizer", "learning_rate", "warmup", "momentum", "batch_size", "flip", "ema", "steps", "stop",
    ),
    "arithmetic": ("precision", "tf32", "channels_last", "compile"),
    "measurement": ("milestones", "first_milestone", "milestone_grid", "loss_times", "loss_draws", "test_images"),
    "sampling": ("samples", "sampling_steps", "sampling_seed", "ddim_grid"),
}  # fmt: skip


def help_of_fields(cls: type) -> dict[str, str]:
    """The string below each field of a dataclass, by the field's name, as one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _group(topic: str, fields: list[dataclasses.Field]) -> type:
    """A dataclass of some of the fields, which the parser shows in a box of its own."""
    types, texts = typing.get_type_hints(TrainConfig), help_of_fields(TrainConfig)
    members = [
        (
            field.name,
            Annotated[types[field.name], tyro.conf.arg(help=texts[field.name])],
            dataclasses.field(default=field.default),
        )
        for field in fields
    ]
    group = dataclasses.make_dataclass(topic, members, frozen=True)
    group.__doc__ = ""  # the parser would print dataclasses' own
    return group


def _groups() -> dict[str, type]:
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    groups = {topic: _group(topic, [fields.pop(name) for name in names]) for topic, names in TOPICS.items()}
    return groups | ({"other": _group("other", list(fields.values()))} if fields else {})


_GROUPS = _groups()
# Flat is TrainConfig, with the keys of its records; in groups are only its flags.
_Flags = dataclasses.make_dataclass(
    "_Flags", [(topic, group, dataclasses.field(default=group())) for topic, group in _GROUPS.items()], frozen=True
)
_Flags.__doc__ = ""
# Without a name of its own in the help: "data options", not "run.data options".
RunFlags: Any = Annotated[_Flags, tyro.conf.arg(name="")]


def flags_of(config: TrainConfig) -> Any:
    """The flags that stand for a config."""
    return _Flags(
        **{
            topic: group(**{field.name: getattr(config, field.name) for field in dataclasses.fields(group)})
            for topic, group in _GROUPS.items()
        }
    )


def config_of(flags: Any) -> TrainConfig:
    """The config that the flags stand for."""
    groups = (getattr(flags, topic) for topic in _GROUPS)
    return TrainConfig(**{name: value for group in groups for name, value in vars(group).items()})
