"""What the configuration allows of a value, beside its type: said once, at the field that the value becomes."""

from dataclasses import dataclass
from typing import Annotated, Any

UNSET: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # hashed by identity: a default may be a list
class Allowed:
    """Limits of a key of the configuration, in the annotation of a record's field.

    `Annotated[int, Allowed(minimum=1)]` is a whole number from 1 on. The configuration's JSON schema is made of them
    (plan/config_schema.py). A record that is read from a file is not held against them: what was once measured stays
    readable when a limit moves.
    """

    minimum: float | None = None
    above: float | None = None
    """The value is more than this."""
    maximum: float | None = None
    pattern: str | None = None
    """Regular expression for a text, by JSON Schema's rules: found anywhere, unless it is anchored."""
    expected: str | None = None
    """What a refusal says was expected, where type and limits do not say it well."""
    not_empty: bool = False
    """A list or mapping has one entry at least."""
    most: int | None = None
    """A list has no more entries than this."""
    unique: bool = False
    """No entry of a list comes twice."""
    default: Any = UNSET
    """Value of a key that is left out, where that is not the field's own default."""
    written: Any = UNSET
    """Type of what a user writes, where that is not what the field holds."""
    is_key: bool = True
    """Whether the configuration has the field at all."""
    without_defaults: bool = False
    """Of a section: a key that is left out stays out, and null is no value."""
    without: type | None = None
    """Of a section: a record that its own inherits from, and whose fields are keys of another section."""

    def in_schema(self, kinds: list[str]) -> dict[str, Any]:
        """Return the limits in the words of JSON Schema; kinds: its names of the types that the value may have."""
        words = {
            "minimum": self.minimum,
            "exclusiveMinimum": self.above,
            "maximum": self.maximum,
            "pattern": self.pattern,
            "maxItems": self.most,
            "uniqueItems": self.unique or None,
            "minItems" if "array" in kinds else "minProperties": 1 if self.not_empty else None,
            "x-expected": self.expected,
        }
        return {name: value for name, value in words.items() if value is not None}


NO_KEY = Allowed(is_key=False)
"""Of a field that a record has, and the configuration has not."""
Fraction = Annotated[float, Allowed(minimum=0, maximum=1)]
"""A share, from 0 to 1."""
