"""What a host's time service says of its wall clock."""

from pathlib import Path

import pytest

from llmdvfs.hosts.wall_clock import parsed, wall_clock

# As chronyc 4.5 prints it for a clock that follows a PTP hardware clock.
TRACKING = (
    "50484330,PHC0,1,1795847000.123456789,-0.000000250,0.000000120,0.000000340,"
    "-12.345,0.001,0.020,0.000001000,0.000010000,1.0,Normal\n"
)


def test_the_bound_is_offset_and_dispersion_and_half_the_delay() -> None:
    """0.25 us + 10 us + 1 us / 2 = 10.75 us."""
    told = parsed(TRACKING)
    assert told is not None
    assert (told.source, told.reference) == ("chrony", "PHC0")
    assert told.bound_s == pytest.approx(10.75e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "506 Cannot talk to daemon\n",
        TRACKING.replace("Normal", "Not synchronised"),
        TRACKING.replace("0.000010000", "?"),
    ],
)
def test_what_says_nothing_is_none(text: str) -> None:
    assert parsed(text) is None


def test_chrony_goes_before_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    tool = tmp_path / "chronyc"
    tool.write_text(f'#!/bin/sh\n[ "$*" = "-c -n tracking" ] && cat <<END\n{TRACKING}END\n')
    tool.chmod(0o755)
    told = wall_clock()
    assert told is not None
    assert told.source == "chrony"
    tool.write_text("#!/bin/sh\nexit 1\n")
    told = wall_clock()
    assert told is None or told.source == "kernel"  # as the machine of this test is kept
