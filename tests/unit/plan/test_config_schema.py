"""A key of the configuration is spelled once: type, limits, default and description are those of a record's field."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator

from llmdvfs.plan.config_schema import schema_of
from llmdvfs.records.allowed import NO_KEY, Allowed

Mhz = Annotated[int, Allowed(minimum=1, maximum=3000)]


@dataclass(frozen=True, slots=True)
class Fan:
    """How air is moved."""

    speed_rpm: Annotated[float | None, Allowed(above=0)] = None
    """Turns a minute; null leaves the
    board's own."""


@dataclass(frozen=True, slots=True)
class Sampling:
    interval_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Measuring(Sampling):
    idle_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A study of fans."""

    id: Annotated[str, NO_KEY]
    name: Annotated[str, Allowed(pattern="^[a-z]+$", expected="small letters")]
    clocks_mhz: Annotated[int | tuple[Mhz, ...], Allowed(minimum=1, not_empty=True, most=9, unique=True)]
    """One clock, or several."""
    device: Literal["cpu", "cuda"] = "cpu"
    phase: Literal["prefill"] | None = None
    duration_s: Annotated[float | None, Allowed(minimum=0)]
    fan: Fan = field(default_factory=Fan)
    fans: dict[Literal["left", "right"], Annotated[Fan, Allowed(without_defaults=True)]] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    measuring: Annotated[Measuring, Allowed(without=Sampling)] = field(default_factory=Measuring)
    warm_ups: Annotated[int, Allowed(default=2)] = 0
    limit: Annotated[float, Allowed(written=int | Literal["none"] | None)]


SCHEMA = schema_of(Keys)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("name", {"type": "string", "pattern": "^[a-z]+$", "x-expected": "small letters"}),
        (
            "clocks_mhz",
            {
                "type": ["integer", "array"],
                "items": {"type": "integer", "minimum": 1, "maximum": 3000},
                "minimum": 1,
                "minItems": 1,
                "maxItems": 9,
                "uniqueItems": True,
                "description": "One clock, or several.",
            },
        ),
        ("device", {"enum": ["cpu", "cuda"], "default": "cpu"}),
        ("phase", {"enum": ["prefill", None], "default": None}),
        ("duration_s", {"type": ["number", "null"], "minimum": 0, "default": None}),  # left out, it is null
        ("warm_ups", {"type": "integer", "default": 2}),
    ],
)
def test_a_field_says_all_of_its_key(key: str, expected: dict[str, Any]) -> None:
    assert SCHEMA["properties"][key] == expected


def test_what_has_no_default_is_required_and_what_is_no_key_is_unknown() -> None:
    assert SCHEMA["required"] == ["name", "clocks_mhz"]
    assert "id" not in SCHEMA["properties"]
    assert SCHEMA["additionalProperties"] is False


def test_sections_hold_the_keys_of_their_records_without_another_sections() -> None:
    assert SCHEMA["properties"]["measuring"]["default"] == {}
    assert list(SCHEMA["properties"]["measuring"]["properties"]) == ["idle_s"]
    assert SCHEMA["properties"]["fan"]["properties"]["speed_rpm"] == {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "default": None,
        "description": "Turns a minute; null leaves the board's own.",
    }


def test_the_schema_judges_as_the_fields_say() -> None:
    validator = Draft202012Validator(SCHEMA)
    sound = {"name": "a", "clocks_mhz": [600, 1980], "fans": {"left": {"speed_rpm": 900}}}
    assert validator.is_valid(sound)
    for wrong in ({"name": "A"}, {"clocks_mhz": []}, {"clocks_mhz": [0]}, {"fans": {"middle": {}}}, {"id": "x"}):
        assert not validator.is_valid(sound | wrong), wrong


def test_a_section_without_defaults_takes_no_null_and_fills_nothing_in() -> None:
    """`engine_by_role` would else undo `engine` with the defaults of all its keys."""
    speed = SCHEMA["properties"]["fans"]["properties"]["right"]["properties"]["speed_rpm"]
    assert speed["type"] == "number"
    assert "default" not in speed
