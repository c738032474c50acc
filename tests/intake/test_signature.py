"""A delivery is taken as it was signed by who knows the secret, or laid out anew; else not."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.intake import signature as module
from projector.intake.signature import matching_secrets
from projector.text.jsontext import compact

KEY = "secretKey"

#: What Voucherify itself computes under that secret.
VECTORS = {
    "an object": (b'{"a":1}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
    "an escaped quote": (
        b'{"a\\"b":1}',
        "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb",
    ),
    "no JSON": (
        b"  message  ",
        "53ff92957e1427ce23ad5bda9d0c5f2f4ff384d0806b83eeacb510c842d3a358",
    ),
}


def signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether it is, by a sender who has a secret of three."""
    return matching_secrets(body, signature, ["another", secret, "a third"]) == {secret}


def _sign(message: bytes, secret: str = KEY) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(("body", "signature"), VECTORS.values(), ids=VECTORS)
def test_the_senders_own_signatures_are_right(body: bytes, signature: str) -> None:
    assert signed(body, signature, KEY)
    assert _sign(body) == signature


#: What was signed, and a body that means the same and came instead.
LAID_OUT_ANEW = {
    "pretty": (b'{"a":[1,{}],"b":null}', b'{\r\n\t"a" : [\n  1,\n  { }\n  ],\n"b": null }\n'),
    "space in strings": (b'{" a : b ":"c ,  d"}', b'{ " a : b " : "c ,  d" }'),
    "a tab and a newline as they are in a string": (b'{"a":"\t\n "}', b'{ "a": "\t\n "}'),
    "escaped quotes": (b'{"a\\" : \\"b":1}', b'{ "a\\" : \\"b" : 1 }'),
    "backslashes before the end of a string": (
        b'["\\\\"," \\\\\\" , "]',
        b'["\\\\" , " \\\\\\" , "]',
    ),
    "numbers and escapes as they were written": (
        b'[1.0E+2,-0,12345678901234567890,"\\u00e9\\/"]',
        b'[1.0E+2, -0, 12345678901234567890, "\\u00e9\\/"]',
    ),
    "equal keys": (b'{"a":1,"a":2}', b'{"a": 1, "a": 2}'),
    "characters that are not ASCII": ('{"é":"\u2028 "}'.encode(), '{ "é": "\u2028 " }'.encode()),
    "a scalar": (b'"a b"', b' "a b" '),
}


@pytest.mark.parametrize(("message", "body"), LAID_OUT_ANEW.values(), ids=LAID_OUT_ANEW)
def test_the_layout_of_a_body_does_not_matter(message: bytes, body: bytes) -> None:
    assert signed(body, _sign(message), KEY)
    assert signed(message, _sign(message), KEY)


OTHERS = {
    "less space in a string": (b'{"a":"b  c"}', b'{"a": "b c"}'),
    "no space in a string": (b'{"a":"b c"}', b'{"a": "bc"}'),
    "more space in a string": (b'{"a":"bc"}', b'{"a": "b c"}'),
    "space behind an escaped quote": (b'{"a":"\\"b"}', b'{"a":"\\" b"}'),
    "one number of two": (b"[12]", b"[1 2]"),
    "the same number otherwise": (b"[1.0]", b"[1]"),
    "the same text otherwise": (b'["\\u00e9"]', '["é"]'.encode()),
    "another order": (b'{"a":1,"b":2}', b'{"b":2,"a":1}'),
    "a part of it": (b'{"a":1}', b'{"a":1'),
    "a string that breaks off": (b'{"a":"b c"}', b'{"a": "b c'),
    "more behind it": (b'{"a":1}', b'{"a":1}{"a":1}'),
    "a space that JSON does not know": (b"[1,2]", b"[1,\x0b2]"),
    "nothing": (b'{"a":1}', b""),
    "something instead of nothing": (b"", b"{}"),
}


@pytest.mark.parametrize(("message", "body"), OTHERS.values(), ids=OTHERS)
def test_a_body_that_says_something_else_is_refused(message: bytes, body: bytes) -> None:
    assert not signed(body, _sign(message), KEY)


@pytest.mark.parametrize(
    "body", [b"", b'{ "a": "b', b'{ "a" : "b \\', b"\\", b'"', b"\xff \x00 {"], ids=repr
)
def test_a_signed_body_that_is_no_json_is_accepted_unchanged(body: bytes) -> None:
    assert signed(body, _sign(body), KEY)
    assert not signed(body + b"x", _sign(body), KEY)


_MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("text", [b'{"a":"\xc3\xa9"}', b'{ "a": 1 }', b'{"a', b""], ids=repr)
def test_a_byte_order_mark_may_be_put_before_a_signed_body(text: bytes) -> None:
    for signature in (_sign(text), _sign(compact(text)), _sign(_MARK + text)):
        assert signed(_MARK + text, signature, KEY)
    assert not signed(_MARK + text, _sign(text + b"x"), KEY)
    assert not signed(text + _MARK + b"x", _sign(text), KEY)


def test_a_signed_body_may_be_transcoded_on_its_way() -> None:
    text = '{"a": "é"}'
    for charset in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"):
        sent = text.encode(charset)
        for message in (sent, text.encode(), compact(text.encode())):
            assert signed(sent, _sign(message), KEY)
        assert not signed(sent + b"x", _sign(text.encode()), KEY)


_TEXT = st.text(st.sampled_from('{}[],:"\\ \n\té\u2028a') | st.characters(codec="utf-8"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda values: st.lists(values) | st.dictionaries(_TEXT, values),
    max_leaves=12,
)
_SPACE = st.text(st.sampled_from(" \t\r\n"), max_size=3)
_LAYOUTS = st.fixed_dictionaries(
    {
        "indent": st.none() | st.integers(0, 4) | _SPACE,
        "separators": st.tuples(_SPACE, _SPACE, _SPACE, _SPACE).map(
            lambda space: (f"{space[0]},{space[1]}", f"{space[2]}:{space[3]}")
        ),
        "ensure_ascii": st.booleans(),
    }
)


@given(_VALUES, _LAYOUTS, _SPACE, _SPACE)
def test_any_layout_of_any_json_is_accepted(
    value: Any, layout: dict[str, Any], before: str, behind: str
) -> None:
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=layout["ensure_ascii"])
    body = f"{before}{json.dumps(value, **layout)}{behind}".encode()
    assert signed(body, _sign(compact.encode()), KEY)


@given(st.binary(min_size=1), st.data())
def test_no_byte_of_a_body_can_be_another_one(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    flipped = bytes([body[at] ^ (1 << data.draw(st.integers(0, 7)))])
    assert signed(body, _sign(body), KEY)
    assert not signed(body[:at] + flipped + body[at + 1 :], _sign(body), KEY)


_BODY, _RIGHT = VECTORS["an object"]


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param(_RIGHT.upper(), id="upper-case"),
        pytest.param(_RIGHT[:-1], id="a digit less"),
        pytest.param(_RIGHT + "0", id="a digit more"),
        pytest.param(_RIGHT + "\n", id="a newline behind"),
        pytest.param(" " + _RIGHT, id="a space before"),
        pytest.param("sha256=" + _RIGHT, id="with a prefix"),
        pytest.param("b" + _RIGHT[1:], id="another first digit"),
        pytest.param(_RIGHT[:-1] + "3", id="another last digit"),
        pytest.param(_RIGHT + "\0", id="a NUL behind"),
        pytest.param("é" * 64, id="not ASCII"),
        pytest.param("\udcff" * 64, id="no text"),
        pytest.param("\udcff" + _RIGHT, id="no text before"),
        pytest.param("x" * 100_000, id="long"),
        pytest.param(hashlib.sha256(_BODY).hexdigest(), id="without the secret"),
    ],
)
def test_a_header_that_is_not_the_signature_is_refused(signature: str | None) -> None:
    assert not signed(_BODY, signature, KEY)


@pytest.mark.parametrize("secret", ["secretKe", "secretKey ", "secretkey", "KEYKEY", "x"])
def test_a_signature_by_another_secret_does_not_verify(secret: str) -> None:
    assert not signed(_BODY, _RIGHT, secret)
    assert signed(_BODY, _sign(_BODY, secret), secret)


def test_a_secret_is_taken_as_utf_8() -> None:
    signature = hmac.new(b"\xc3\xa9", _BODY, hashlib.sha256).hexdigest()
    assert signed(_BODY, signature, "é")
    assert signed(_BODY, hmac.new(b"\xff", _BODY, hashlib.sha256).hexdigest(), "\udcff")


def test_nothing_is_signed_under_an_empty_secret() -> None:
    assert not signed(_BODY, _sign(_BODY, ""), "")


def test_a_missing_signature_does_not_verify() -> None:
    assert matching_secrets(_BODY, None, [KEY]) == set()
    assert matching_secrets(_BODY, _RIGHT, []) == set()


def test_a_body_is_laid_out_once_however_many_secrets_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies: list[bytes] = []

    def counted(body: bytes) -> bytes:
        bodies.append(body)
        return compact(body)

    monkeypatch.setattr(module, "compact", counted)
    assert not matching_secrets(b'{"a": 2}', _RIGHT, [f"secret{number}" for number in range(100)])
    assert bodies == [b'{"a": 2}']


_MEGABYTE = 1024 * 1024


def test_a_long_body_is_laid_out_anew_only_where_it_is_json() -> None:
    """To lay out what is broken takes long, and anybody may send it."""
    json_ = b'{ "a" : "' + b"b " * module.BROKEN_BYTES_MAX + b'" }'
    assert signed(json_, _sign(compact(json_)), KEY)
    broken = json_[:-2]
    assert signed(broken, _sign(broken), KEY)
    assert not signed(broken, _sign(compact(broken)), KEY)
    short = broken[: module.BROKEN_BYTES_MAX]
    assert signed(short, _sign(compact(short)), KEY)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'"' * _MEGABYTE, id="quotes"),
        pytest.param(b'"' * (_MEGABYTE - 1), id="quotes, oddly many"),
        pytest.param(b"\\" * _MEGABYTE, id="backslashes"),
        pytest.param(b'"' + b"\\" * _MEGABYTE, id="an open string of backslashes"),
        pytest.param(b'\\"' * (_MEGABYTE // 2), id="escaped quotes"),
        pytest.param(b'"\\' * (_MEGABYTE // 2), id="quotes and backslashes"),
        pytest.param(b" " * _MEGABYTE, id="spaces"),
        pytest.param(b"1" + b" " * _MEGABYTE + b"{", id="spaces before a bracket"),
        pytest.param(b"1 " * (_MEGABYTE // 2), id="spaces between numbers"),
        pytest.param(b"{ " * (_MEGABYTE // 2), id="brackets and spaces"),
        pytest.param(b'" ' * (_MEGABYTE // 2), id="quotes and spaces"),
        pytest.param(b"a" * _MEGABYTE, id="letters"),
        pytest.param(_MARK * (_MEGABYTE // 3), id="byte order marks"),
        pytest.param(b"\xff\xfe" * (_MEGABYTE // 2), id="marks of UTF-16"),
        pytest.param(b"\xff\xfe" + b"\0\xd8" * (_MEGABYTE // 2), id="surrogates"),
    ],
)
def test_a_long_body_of_any_kind_is_judged_quickly(body: bytes) -> None:
    begun = time.process_time()
    assert not signed(body, _RIGHT, KEY)
    # It takes some milliseconds; a search that steps back would take minutes.
    assert time.process_time() - begun < 5
