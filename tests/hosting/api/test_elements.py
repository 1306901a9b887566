"""Cutting a JSON list apart: as the decoder of the standard library would, and without depth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.api import elements

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(value=st.lists(ANYTHING, max_size=5), indent=st.sampled_from([None, 2]))
def test_it_finds_what_the_decoder_finds(value: list[Any], indent: int | None) -> None:
    found = elements.split(json.dumps(value, indent=indent).encode())
    assert repr([json.loads(each) for each in found]) == repr(value)


@given(body=st.text(alphabet='[]{}",:1e-.\\n tu', max_size=14))
def test_what_is_no_json_list_for_the_decoder_is_none_here(body: str) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if isinstance(value, list):
        assert len(elements.split(body.encode())) == len(value)
    else:
        with pytest.raises(elements.NotJson):
            elements.split(body.encode())


def test_depth_does_not_matter() -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    assert elements.split(b"[1," + deep + b', {"a": 2} ]') == [b"1", deep, b'{"a": 2}']


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" * 2_000_000, "nested too deeply"),
        (b"[" + b"[]," * 100_000 + b"0]", "nested too deeply"),
        (b"[" * 1000, "ends too early"),
        (b'["a]', "ends too early"),
        (b"[1]]", "more after its end"),
        (b"[1,]", "was not expected (byte 3)"),
        (b"[{1:2}]", "was not expected (byte 2)"),
        (b"[1}", "was not expected (byte 2)"),
        (b"{}", "a list was expected"),
    ],
)
def test_it_says_what_is_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(elements.NotJson) as refused:
        elements.split(body)
    assert reason in str(refused.value)
