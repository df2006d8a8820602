"""Arrays that the driver fills at every read: made once, and read as plain bytes."""

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

import pynvml

from llmdvfs.telemetry.nvml_call import NvmlError, fill

_VALUE_CODES = "dILQqiH"
"""struct's code of each nvmlValueType_t: double, unsigned int, long and long long, signed long long, int, short."""
_VALUES = [struct.Struct(f"={code}") if code != "L" else struct.Struct("@L") for code in _VALUE_CODES]

_FIELD: Any = pynvml.c_nvmlFieldValue_t
_TYPE_AND_RETURN = struct.Struct("=II")  # valueType and nvmlReturn, side by side
_SAMPLE: Any = pynvml.c_nvmlSample_t
_SAMPLE_STAMP = struct.Struct("=Q")


class FieldArray:
    """Fields of one GPU that are asked for together, again and again; not by two threads at once."""

    def __init__(self, handle: Any, fields: Sequence[tuple[int, int, float]]) -> None:
        """Take the fields: of each its id, its scope, and the factor to the value that is returned."""
        self._handle = handle
        self._array = (_FIELD * len(fields))()
        for place, (field_id, scope_id, _) in zip(self._array, fields, strict=True):
            place.fieldId, place.scopeId = field_id, scope_id
        self._fields = [
            (position * ctypes.sizeof(_FIELD), field_id, factor)
            for position, (field_id, _, factor) in enumerate(fields)
        ]
        self._pointer = ctypes.byref(self._array)
        self._length = ctypes.c_int32(len(fields))

    def read(self) -> list[float | NvmlError]:
        """Return the value of each field now, or why it failed; NvmlError where the whole call fails.

        The driver can succeed and still refuse a field.
        """
        fill("nvmlDeviceGetFieldValues", self._handle, self._length, self._pointer)
        found: list[float | NvmlError] = []
        for place, field_id, factor in self._fields:
            kind, answer = _TYPE_AND_RETURN.unpack_from(self._array, place + _FIELD.valueType.offset)
            if answer == pynvml.NVML_SUCCESS:
                found.append(_VALUES[kind].unpack_from(self._array, place + _FIELD.value.offset)[0] * factor)
            else:
                found.append(NvmlError(f"field {field_id}", pynvml.NVMLError(answer)))
        return found


class SampleArray:
    """Samples that the driver itself takes and keeps, of one kind and GPU; not for two threads at once."""

    def __init__(self, handle: Any, kind: int, factor: float) -> None:
        """Ask how many the driver keeps; NvmlError where it keeps none.

        kind: an nvmlSamplingType_t. factor: from the driver's values to those that are returned.
        """
        self._arguments = (handle, ctypes.c_uint(kind))
        self._factor = factor
        self._type, count = ctypes.c_uint(), ctypes.c_uint()
        fill(
            "nvmlDeviceGetSamples",
            *self._arguments,
            ctypes.c_ulonglong(),
            *map(ctypes.byref, (self._type, count)),
            None,
        )
        self._array = (_SAMPLE * count.value)()

    def after(self, after_us: int) -> list[tuple[int, float]]:
        """Return the samples whose stamps are later than this: (microseconds of the wall clock, value)."""
        count = ctypes.c_uint(len(self._array))
        pointers = (ctypes.byref(self._type), ctypes.byref(count), ctypes.byref(self._array))
        try:
            fill("nvmlDeviceGetSamples", *self._arguments, ctypes.c_ulonglong(after_us), *pointers)
        except NvmlError as error:
            if error.is_not_found:  # nothing newer
                return []
            raise
        value, size = _VALUES[self._type.value], ctypes.sizeof(_SAMPLE)
        found = [
            (
                _SAMPLE_STAMP.unpack_from(self._array, place)[0],
                value.unpack_from(self._array, place + _SAMPLE.sampleValue.offset)[0] * self._factor,
            )
            for place in range(0, count.value * size, size)
        ]
        return [sample for sample in found if sample[0] > after_us]  # the buffer's empty places have stamp 0
