"""Marks most cases of a large product slow, so that the README's command runs a sample of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], *, every: int, first: int = 0) -> list[Any]:
    """Return the cases of a parametrized test; each is slow but for one in `every`, from the `first` on."""
    return [case if at % every == first else slow(case) for at, case in enumerate(cases)]


def slow_but(cases: Iterable[Any], *fast: Any) -> list[Any]:
    """Return the cases of a parametrized test; each is slow but for those named, which have to be among them."""
    known = list(cases)
    assert [case for case in fast if case not in known] == []
    return [case if case in fast else slow(case) for case in known]


def slow(case: Any) -> Any:
    """Return a case of a parametrized test, marked slow: a value, a tuple of values, or what is marked already."""
    if hasattr(case, "marks"):
        return pytest.param(*case.values, marks=(*case.marks, pytest.mark.slow), id=case.id)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
