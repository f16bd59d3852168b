"""Files, and what is known from them."""

from __future__ import annotations

import os

import numpy as np
import pytest

from chargen import files, kernels
from chargen.files import compiled_before


def test_what_numba_kept_is_found() -> None:
    """A function that was compiled in this test has an index in the package's folder."""
    kernels.convert(np.zeros(3, np.float32), np.zeros(3, np.float32))
    if not os.access(files.PACKAGE, os.W_OK) or "NUMBA_CACHE_DIR" in os.environ:
        pytest.skip("Numba keeps its files in another folder here")
    assert compiled_before("kernels", "convert")
    assert not compiled_before("kernels", "nothing")
    assert not compiled_before("nothing", "convert")
