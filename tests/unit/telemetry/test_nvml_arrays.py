"""Arrays that the driver fills: made once, read again and again, whatever type the driver answers in."""

import ctypes
import struct
from collections.abc import Callable
from types import SimpleNamespace

import pynvml
import pytest
from fakes.nvml import NOT_SUPPORTED, FakeNvml

from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus
from llmdvfs.telemetry.nvml_arrays import FieldArray
from llmdvfs.telemetry.nvml_call import NvmlError, fill

MakeGpus = Callable[..., FakeNvml]
POWER, BRAKE = (pynvml.NVML_FI_DEV_POWER_INSTANT, 0, 1e-3), (271, 0, 1e-9)


def handle() -> object:
    num_gpus()
    return NvmlGpu(0).handle


def test_a_second_read_of_the_same_array_sees_what_has_changed(make_gpus: MakeGpus) -> None:
    """690 W is 690,000 mW in an unsigned int; 1.5 s of power brake are nanoseconds in an unsigned long long."""
    fake = make_gpus()
    fake.set_power_trace(0, [0, 10_000_000_000], [690.0, 400.0])
    array = FieldArray(handle(), (POWER, BRAKE))
    fake.set_virtual_time(5_000_000_000)
    fake.set_field(0, 271, 1_500_000_000)
    assert array.read() == [690.0, 1.5]
    fake.set_virtual_time(15_000_000_000)
    assert array.read() == [400.0, 1.5]


def test_a_field_that_is_refused_is_an_error_beside_the_others(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    array = FieldArray(handle(), (POWER, BRAKE))
    fake.set_field(0, 271, error=NOT_SUPPORTED)
    power_w, refused = array.read()
    assert isinstance(power_w, float)
    assert isinstance(refused, NvmlError)
    assert refused.is_absent
    assert "field 271" in str(refused)


@pytest.mark.parametrize(
    ("kind", "packed", "expected"),
    [
        (pynvml.NVML_VALUE_TYPE_DOUBLE, struct.pack("=d", 0.25), 0.25),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, struct.pack("=I", 2**32 - 1), 2**32 - 1),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG, struct.pack("@L", 2**40), 2**40),
        (pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, struct.pack("=Q", 2**63), 2**63),
        (pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG, struct.pack("=q", -5), -5),
        (pynvml.NVML_VALUE_TYPE_SIGNED_INT, struct.pack("=i", -7), -7),
    ],
)
def test_every_type_that_a_driver_answers_in(
    monkeypatch: pytest.MonkeyPatch, kind: int, packed: bytes, expected: float
) -> None:
    def answer(_handle: object, _length: object, pointer: object) -> int:
        array = pointer._obj  # type: ignore[attr-defined]
        array[0].valueType, array[0].nvmlReturn = kind, pynvml.NVML_SUCCESS
        value = type(array[0]).value
        ctypes.memmove(ctypes.addressof(array) + value.offset, packed, len(packed))
        return int(pynvml.NVML_SUCCESS)

    monkeypatch.setattr(pynvml, "nvmlLib", SimpleNamespace(nvmlDeviceGetFieldValues=answer))
    assert FieldArray(None, [(1, 0, 1)]).read() == [expected]


def test_a_driver_older_than_a_function_does_not_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynvml, "nvmlLib", SimpleNamespace())
    with pytest.raises(NvmlError, match="nvmlDeviceGetSamples") as caught:
        fill("nvmlDeviceGetSamples")
    assert caught.value.is_absent


def test_a_driver_that_was_never_loaded_is_no_missing_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    with pytest.raises(NvmlError) as caught:
        fill("nvmlDeviceGetSamples")
    assert caught.value.is_lost
    assert not caught.value.is_absent
