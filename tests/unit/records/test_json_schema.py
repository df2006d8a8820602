"""The JSON schemas say of each field what its record says: a reader of result.json has no code at hand."""

from typing import Any

from llmdvfs.records.result import CellResult
from llmdvfs.records.store import json_schema
from llmdvfs.records.telemetry import SamplerReport


def test_a_field_is_described_as_in_its_record() -> None:
    properties = json_schema(SamplerReport)["properties"]
    assert properties["cpu_s"]["description"] == "CPU time of the sampler's process."
    assert "description" not in properties["num_readings"]  # its name says it all


def test_fields_of_records_inside_are_described_too() -> None:
    schema = json_schema(CellResult)
    net = schema["$defs"]["EnergyResult"]["properties"]["net_j"]
    assert net["description"] == "Gross energy minus loaded-idle power times the length of the window."
    assert schema["properties"]["energy"] == {"$ref": "#/$defs/EnergyResult"}
    assert "CellResult" not in schema["$defs"]  # it is the schema itself


def test_the_header_comes_first_but_not_in_a_line_of_its_own_file() -> None:
    assert list(json_schema(SamplerReport)["properties"])[:2] == ["schema", "schema_version"]
    in_line: dict[str, Any] = json_schema(SamplerReport, in_line=True)
    assert "schema" not in in_line["properties"]
