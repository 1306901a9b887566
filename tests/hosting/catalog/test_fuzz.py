"""Whatever stands in a catalog file, the answer is an app or one sentence."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hosting.catalog.errors import CatalogError
from hosting.catalog.loader import app_from_source
from hosting.catalog.source import parse_source

GUESTBOOK = Path(__file__).parents[2] / "catalog" / "guestbook.yaml"
CONTENT: dict[str, Any] = yaml.safe_load(GUESTBOOK.read_text())


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything inside."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        yield (*here, key)
        yield from places(inner, (*here, key))


ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=True)
    | st.text(max_size=6)
    | st.sampled_from(["$", "${X", "${BERTH_VERSION}", "a:b:c", "/", "..", "{", "web", "db"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(list(places(CONTENT))), odd=ODD)
def test_any_value_anywhere_is_taken_or_refused(place: tuple[Any, ...], odd: Any) -> None:
    content = copy.deepcopy(CONTENT)
    around = content
    for key in place[:-1]:
        around = around[key]
    around[place[-1]] = odd

    with suppress(CatalogError):
        app_from_source(parse_source(yaml.safe_dump(content), Path("guestbook.yaml")))
