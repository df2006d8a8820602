from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.report.cells import ReportedCell
from llmdvfs.report.machine import machine

DAY_S = 86_400.0


def cell(launch: int, started_unix_s: float, **hardware: object) -> ReportedCell:
    made = fake_cell(Toy(gpu=True, launch=launch, duration_s=0.5))
    [instance] = made.run.server_start.instances
    started = replace(instance, argv=("vllm", "serve", "a model"), env={"B": "2", "A": "one two"}, device_ids=("gpu3",))
    start = replace(made.run.server_start, instances=(started,))
    run = replace(made.run, server_start=start, started_unix_s=started_unix_s, hardware=hardware)
    return ReportedCell(made.result, run, made.timeline)


def test_a_command_can_be_pasted_into_a_shell() -> None:
    [[command]] = machine([cell(1, 0.0)]).commands.values()
    assert command.text == "A='one two' \\\n  B=2 \\\n  vllm serve 'a model'"
    assert command.devices == "gpu3"


def test_commands_are_those_of_the_first_launch_that_was_measured() -> None:
    later, first = cell(3, 0.0), cell(2, 0.0)
    [instance] = first.run.server_start.instances
    run = replace(first.run, server_start=replace(first.run.server_start, instances=(replace(instance, name="first"),)))
    [[command]] = machine([later, replace(first, run=run)]).commands.values()
    assert command.name == "first"


def test_hosts_that_differ_are_two_lines_and_equal_ones_one() -> None:
    two = {"gpus": ["H100", "H100"], "num_cpus": 32, "memory_bytes": 256 * 2**30}
    own = machine([cell(1, 0.0, **two), cell(2, 0.0, **two), cell(3, 0.0, cpu_model="a CPU")])
    assert own.hosts == ("2 x H100, 32 CPUs, 256 GiB", "a CPU")


def test_days_of_the_first_and_the_last_cell() -> None:
    assert machine([cell(1, 0.0), cell(2, DAY_S), cell(3, 2 * DAY_S)]).measured == "1970-01-01 ... 1970-01-03"
    assert machine([cell(1, 0.0)]).measured == "1970-01-01"
    assert machine([]).measured == ""
