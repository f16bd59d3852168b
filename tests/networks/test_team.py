"""The threads that share a step of a recurrence."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import numba
import pytest
import torch
from numba.core import config

from chargen.networks import team as team_module
from chargen.networks.team import EACH, team, threads


@pytest.mark.parametrize("there", [1, 2, 8])
def test_a_team_is_as_large_as_pays(there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No larger than PyTorch's, than the rows, and than Numba's."""
    monkeypatch.setattr(team_module, "_openmp", lambda: True)
    monkeypatch.setattr(numba, "get_num_threads", lambda: there)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert team(32, 2 * EACH // 32 - 1) == 1
    assert team(32, 2 * EACH // 32) == min(2, there)
    assert team(32, EACH) == there
    assert team(3, EACH) == min(3, there)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert team(32, EACH) == 1


def test_without_openmp_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's other threads end the process if two threads of Python call them at once."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setitem(sys.modules, "numba.np.ufunc.omppool", None)
    team_module._openmp.cache_clear()
    assert team(32, EACH) == 1
    team_module._openmp.cache_clear()


@pytest.mark.parametrize(("wished", "used"), [("default", "omp"), ("tbb", "tbb")])
def test_numba_is_told_to_use_openmp(
    wished: str, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would look for other threads first; a wish is kept."""
    monkeypatch.setattr(config, "THREADING_LAYER", wished)
    monkeypatch.setitem(sys.modules, "numba.np.ufunc.omppool", ModuleType("omppool"))
    team_module._openmp.cache_clear()
    assert team_module._openmp()
    assert vars(config)["THREADING_LAYER"] == used
    team_module._openmp.cache_clear()


def test_a_team_is_for_a_while() -> None:
    """Whatever else the program compiles has its own number of threads afterwards."""
    before = numba.get_num_threads()
    with threads(1):
        assert numba.get_num_threads() == before
    with pytest.raises(KeyError), threads(before):
        raise KeyError
    assert numba.get_num_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMP would end it."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    child = os.fork()
    if not child:
        os._exit(team(32, EACH))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
