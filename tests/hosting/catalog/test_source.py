from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hosting.catalog.errors import CatalogError
from hosting.catalog.source import parse_source, read_source

PATH = Path("catalog/app.yaml")


def parsed(text: str) -> dict[str, Any]:
    return parse_source(text, PATH).content


def test_it_knows_the_line_of_everything() -> None:
    source = parse_source("a:\n  b:\n    - c\n    - d: 1\ne: x\n", PATH)

    assert source.content == {"a": {"b": ["c", {"d": 1}]}, "e": "x"}
    assert source.line(("a", "b", 1, "d")) == 4
    assert source.line(("a", "b", 7)) == 2
    assert source.line(("gone",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("'true'", "true"),
        ("22:22", "22:22"),
        ("0444", 0o444),
        ("08", "08"),
        ("-3", -3),
        ("0.10", Decimal("0.10")),
        ("1e3", "1e3"),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
        ("", None),
        ("''", ""),
    ],
)
def test_it_reads_scalars_as_yaml_1_2_does(text: str, value: object) -> None:
    assert parsed(f"key: {text}") == {"key": value}


def test_it_merges_with_own_keys_first() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n"

    assert parsed(text)["z"] == {"a": 1, "b": 1, "c": 3}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "app.yaml:3: a is given twice, first in line 1"),
        ("a: [1\n", "app.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n\tb: 2\n", "app.yaml:2: not valid YAML: found character '\\t' that cannot start"
         " any token"),
        ("- a\n", "app.yaml:1: the file must be a mapping with services and x-berth"),
        ("", "app.yaml:1: the file must be a mapping with services and x-berth"),
        ("a: *gone\n", "app.yaml:1: not valid YAML: found undefined alias 'gone'"),
        ("a: &a [*a]\n", "app.yaml:1: the file is too large or its aliases go in circles"),
        ("? [a]\n: 1\n", "app.yaml:1: a key must be plain text"),
        ("a: !!python/name:os.system x\n",
         "app.yaml:1: the YAML tag tag:yaml.org,2002:python/name:os.system is not supported"),
        ("a: !own x\n", "app.yaml:1: the YAML tag !own is not supported"),
        ("a:\n  <<: text\n", "app.yaml:2: << takes a mapping, or a list of mappings"),
        ("a: 1\n---\nb: 2\n", "app.yaml:2: not valid YAML: but found another document"),
    ],
)  # fmt: skip
def test_it_says_where_yaml_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(CatalogError) as refusal:
        parse_source(text, PATH)

    assert str(refusal.value) == sentence


def test_aliases_of_aliases_do_not_grow_without_end() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"

    with pytest.raises(CatalogError, match="too large"):
        parse_source(text, PATH)


def test_it_says_where_a_file_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_bytes(b"a: \xff\n")

    with pytest.raises(CatalogError, match=r"app\.yaml: the file is not UTF-8 text"):
        read_source(path)


PLAIN = st.recursive(
    st.text(max_size=8) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), PLAIN, min_size=1))
def test_it_reads_what_a_dumper_wrote(content: dict[str, Any]) -> None:
    assert parsed(yaml.safe_dump(content, allow_unicode=False)) == content


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CatalogError):
        parse_source(text, PATH)
