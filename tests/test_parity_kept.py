"""Arrays of recorded calls, kept in a temporary file."""

import io

import numpy as np
import pytest

from assembler.errors import SettingsError
from assembler.model.parity.kept import Store

ARRAYS = [
    np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    np.arange(6, dtype=np.float32).reshape(2, 3).T,
    np.array(7, dtype=np.int64),
    np.zeros((0, 3), dtype=np.float32),
    np.array([True, False]),
]


def test_arrays_are_read_as_they_were_written_in_any_order():
    store = Store()
    first, second = store.keep(ARRAYS), store.keep(ARRAYS[::-1])
    for kept, arrays in ((second, ARRAYS[::-1]), (first, ARRAYS), (first[1:3], ARRAYS[1:3])):
        assert len(kept) == len(arrays)
        for found, array in zip(kept, arrays, strict=True):
            assert (found.shape, found.dtype) == (array.shape, array.dtype)
            assert np.array_equal(found, array)


def test_what_is_read_may_be_changed():
    kept = Store().keep(ARRAYS[:1])
    kept[0][:] = 0
    assert np.array_equal(kept[0], ARRAYS[0])


def test_error_of_a_full_disk(monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda prefix: Full())
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/small")
    with pytest.raises(SettingsError) as error:
        Store().keep(ARRAYS)
    assert str(error.value) == (
        "the outputs of the layers cannot be written to /small: No space left on device; "
        "set TMPDIR to a folder with more space"
    )
