from __future__ import annotations

import pytest

from edge_affect.errors import BundleError
from edge_affect.model.fields import MAX_DEPTH, MAX_JSON_BYTES, Fields, parse_json


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not strict JSON"),
        (b'{"a": 1', "not strict JSON"),
        (b'{"a": 1} {}', "not strict JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not strict JSON"),
        (b'{"a": "\xff"}', "not strict JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice"),
        (b'{"a": NaN}', "got NaN"),
        (b'{"a": -Infinity}', "got -Infinity"),
        (b'{"a": 1e999}', "got 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not strict JSON"),
    ],
)
def test_parse_json_refuses_what_is_not_strict(content: bytes, named: str) -> None:
    """Each breach of strict JSON is one BundleError that says which."""
    with pytest.raises(BundleError, match=named):
        parse_json(content, "manifest.json")


@pytest.mark.parametrize("sign", [b"[", b'{"a":'])
def test_parse_json_refuses_deep_nesting_without_recursing(sign: bytes) -> None:
    """Nesting is counted before the parser runs, however deep it is."""
    for depth in (MAX_DEPTH + 1, MAX_JSON_BYTES // len(sign)):
        with pytest.raises(BundleError, match="levels of nesting"):
            parse_json(sign * depth, "manifest.json")


def test_parse_json_takes_brackets_inside_of_text() -> None:
    """Brackets within a text, even after an escaped quote, are no nesting."""
    text = '\\"' + "[" * 50
    assert parse_json(f'["{text}"]'.encode(), "x") == ['"' + "[" * 50]


def test_parse_json_takes_nesting_up_to_the_limit() -> None:
    """The deepest nesting allowed is read."""
    parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "x")


def test_parse_json_refuses_large_documents() -> None:
    """A document over the limit is not even decoded."""
    with pytest.raises(BundleError, match=f"expected <= {MAX_JSON_BYTES}"):
        parse_json(b" " * (MAX_JSON_BYTES + 1), "manifest.json")


def test_fields_names_keys_that_are_unknown_or_missing() -> None:
    """A strange key and an absent one are both named with their place."""
    with pytest.raises(BundleError, match=r"m\.json: unknown key 'b', expected a"):
        Fields({"a": 1, "b": 2}, "m.json", ("a",))
    with pytest.raises(BundleError, match=r"m\.json: the key 'a' is missing"):
        Fields({}, "m.json", ("a",))
    with pytest.raises(BundleError, match=r"m\.json: got 3, expected an object"):
        Fields(3, "m.json")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], 0, 11])
def test_fields_integer_takes_integers_in_range_alone(value: object) -> None:
    """Booleans, floats, texts and numbers out of range are no integers."""
    with pytest.raises(
        BundleError, match=r"m\.n: got .*expected an integer in 1 to 10"
    ):
        Fields({"n": value}, "m", ("n",)).integer("n", 1, 10)


@pytest.mark.parametrize("value", ["", "x" * 301, "a\nb", "\x1b[31m", 5, None])
def test_fields_text_takes_one_printable_line(value: object) -> None:
    """Empty, long, many-lined and control texts never reach a terminal."""
    with pytest.raises(BundleError, match=r"m\.t: got "):
        Fields({"t": value}, "m", ("t",)).text("t")


def test_fields_errors_stay_one_short_line() -> None:
    """What was got is shown in ASCII and cut."""
    with pytest.raises(BundleError) as caught:
        Fields({"t": "\u2028\n" * 200}, "m", ("t",)).text("t")
    assert len(str(caught.value)) < 200
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [[1], [1, 2, 3], [2, 1], [1, 1], [1, "2"], "12", [1, 9]]
)
def test_fields_interval_takes_two_rising_numbers(value: object) -> None:
    """An interval has two numbers in range, the first below the second."""
    with pytest.raises(BundleError, match=r"m\.i"):
        Fields({"i": value}, "m", ("i",)).interval("i", 0, 5)


@pytest.mark.parametrize("value", [[], ["a", "a"], ["c"], "ab", [1], [["a"]]])
def test_fields_texts_takes_different_choices(value: object) -> None:
    """A list of labels is not empty and holds each choice once at most."""
    with pytest.raises(BundleError, match=r"m\.l"):
        Fields({"l": value}, "m", ("l",)).texts("l", ("a", "b"))
