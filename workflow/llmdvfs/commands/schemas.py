"""`schemas`: writes the JSON schema of the configuration and of every result file, from the records behind them."""

import argparse
import json
from pathlib import Path

from llmdvfs.plan.config import SCHEMA_PATH, with_tables
from llmdvfs.plan.config_schema import schema_of
from llmdvfs.plan.study_file import StudyFile
from llmdvfs.records.answers import AnswersRecord, RecommendedClocks
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.deployment_files import BatchResults, DeviceData, PhaseResults
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.fleet import FleetRecord
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.load import CalibrationResult, LoadReport, LoadSpec
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.search import SearchRecord
from llmdvfs.records.sequential import SequentialRecord
from llmdvfs.records.store import json_schema, schema_name, write_text
from llmdvfs.records.telemetry import SamplerReport, TelemetryHeader

FILES: tuple[type, ...] = (
    LaunchRecord,
    LoadSpec,
    LoadReport,
    CalibrationResult,
    MetricsRecord,
    SamplerReport,
    TelemetryHeader,
    RunRecord,
    FailedCell,
    PhasesRecord,
    CellResult,
    PhaseResults,
    BatchResults,
    DeviceData,
    ComparisonRecord,
    AnswersRecord,
    RecommendedClocks,
    SearchRecord,
    SequentialRecord,
    FleetRecord,
)
"""Records that are a JSON file each (TelemetryHeader: the first line of one)."""
LINES: tuple[type, ...] = (RequestRecord, ProxyRecord)
"""Records that are a line each of a JSON-lines file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--output", type=Path, required=True, help="folder of the schemas")


def run(options: argparse.Namespace) -> int:
    """Write all schemas."""
    for name, text in schema_files().items():
        write_text(options.output / name, text)
    return 0


def schema_files() -> dict[str, str]:
    """Return the text of each schema by file name."""
    schemas = {kind: json_schema(kind) for kind in FILES} | {kind: json_schema(kind, in_line=True) for kind in LINES}
    named = {f"{schema_name(kind).removeprefix('llmdvfs/')}.schema.json": schema for kind, schema in schemas.items()}
    named[SCHEMA_PATH.name] = with_tables(schema_of(StudyFile))
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in named.items()}
