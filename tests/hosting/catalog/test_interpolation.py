import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.catalog.errors import BuildError
from hosting.catalog.interpolation import Variable, interpolate, variables

VALUES = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a-${SET}-b", "a-value-b"),
        ("${UNSET}", ""),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${UNSET-default}", "default"),
        ("${UNSET:-}", ""),
        ("${SET:-default}", "value"),
        ("${SET:?set it}", "value"),
        ("${EMPTY?set it}", ""),
        ("${UNSET:-http://localhost:80}", "http://localhost:80"),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("$$(cat /run/secrets/x)", "$(cat /run/secrets/x)"),
    ],
)
def test_it_means_what_compose_means(text: str, expected: str) -> None:
    assert interpolate(text, VALUES) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${UNSET:?set UNSET please}", "set UNSET please"),
        ("${EMPTY:?}", "set EMPTY"),
        ("${UNSET?}", "set UNSET"),
    ],
)
def test_it_stops_where_a_value_is_demanded(text: str, sentence: str) -> None:
    with pytest.raises(BuildError) as refusal:
        interpolate(text, VALUES)

    assert str(refusal.value) == sentence


@pytest.mark.parametrize("text", ["$", "100$", "$(cat x)", "${", "${1X}", "${A:+b}", "${A ${B}}"])
def test_it_refuses_a_dollar_that_starts_no_variable(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \$\$ for a dollar sign"):
        list(variables(text))


def test_it_lists_the_variables_of_a_text() -> None:
    assert list(variables("$A ${B:-x} $$C ${D:?msg}")) == [
        Variable("A", "", ""),
        Variable("B", ":-", "x"),
        Variable("D", ":?", "msg"),
    ]


@given(st.text())
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    escaped = text.replace("$", "$$")

    assert list(variables(escaped)) == []
    assert interpolate(escaped, {}) == text


@given(st.text(alphabet="$ABC{}:-? x", max_size=20))
def test_what_the_check_accepts_can_be_interpolated(text: str) -> None:
    try:
        found = list(variables(text))
    except ValueError:
        return
    result = interpolate(text, {each.name: "1" for each in found})

    assert result.count("1") == len(found)
