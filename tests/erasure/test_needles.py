"""Texts that name a person are found wherever they hide, and nowhere else."""

import json

import pytest

from projector.erasure import needles
from projector.erasure.needles import Identifiers, Needles

_NEEDLES = Needles(["cust_7", "shop-42"], ["Ada.Seven@shop.test", "Jörg Ä", "+49 170"])


@pytest.mark.parametrize(
    "text",
    [
        "cust_7",
        '"cust_7"',
        b'{"id":"cust_7',
        "a shop-42.",
        "ada.seven@SHOP.test",
        b"ada.seven%40shop.test",
        r'"ada\u002eseven\u0040shop\u002etest"',
        # JSON in a string of JSON.
        json.dumps(json.dumps(json.dumps("J\u00f6rg \u00c4"))),
        '"J\\u00F6rg \\u00C4"',
        "jörg ä".encode(),
        '{"id": "cust_7"}'.encode("utf-16"),
        '{"id": "cust_7"}'.encode("utf-32"),
        b"\xff\xfe cust_7 \x80",
        "tel:+49 170",
        "cust_77 cust_7",
    ],
)
def test_a_needle_is_found(text: str | bytes) -> None:
    assert _NEEDLES.are_in(text)
    assert Needles([*_NEEDLES.exact, *map(str, range(20))], _NEEDLES.folded).are_in(text)


@pytest.mark.parametrize(
    "text",
    ["", "cust_77", "xcust_7", "CUST_7", "shop-421", "bada.seven@shop.test", "Jörg", b"\xff", "\\"],
)
def test_no_needle_is_found_amid_a_word(text: str | bytes) -> None:
    assert not _NEEDLES.are_in(text)
    assert not Needles([*_NEEDLES.exact, *(f"no{each}" for each in range(20))]).are_in(text)


def test_no_needles_are_nowhere() -> None:
    assert not Needles(["", ""], [""]).are_in("cust_7")


def test_a_person_is_identified_by_the_objects_that_stand_for_the_customer() -> None:
    body = {
        "data": {
            "customer": {"id": "cust_7", "source_id": "shop_7777", "email": "one@shop.test"},
            "holder": {"id": "cust_7", "email": "two@shop.test"},
            "customers": [{"id": "cust_7", "source_id": 123_456}],
            "referrer": {"id": "cust_8", "source_id": "shop_8888", "email": "not@shop.test"},
            "customer_of_a_friend": {"customer": {"id": "cust_9", "email": "nor@shop.test"}},
        },
        "customer": {"source_id": "a-tst", "email": None},
    }
    found = Identifiers()
    found.add_from(json.dumps(body), "cust_7")
    assert found.source_ids == {"shop_7777", "123456", "a-tst"}
    assert found.emails == {"one@shop.test", "two@shop.test"}
    # Short ones would be found everywhere.
    assert Needles.of(["cust_7"], found, ["Ada"]).exact == {"cust_7", "shop_7777", "123456"}
    assert Needles.of(["cust_7"], found, ["Ada"]).folded == {*found.emails, "ada"}


def test_a_body_that_no_parser_reads_identifies_a_person_all_the_same() -> None:
    found = Identifiers()
    found.add_from('{"customer": {"email": "a\\u0040b.test", "source_id" : "x\\"y"', "cust_7")
    assert (found.source_ids, found.emails) == ({'x"y'}, {"a@b.test"})
    half = Identifiers()
    half.add_from('{"customer": {"id": "cust_7", "source_id": "Jo \\ud83c"}}', "cust_7")
    assert half.source_ids == {"Jo \ufffd"}


def test_many_needles_are_looked_up_by_the_words_of_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time for a text does not grow with their number."""
    sought: list[str] = []
    has_word = needles._has_word

    def counted(text: str, needle: str) -> bool:
        sought.append(needle)
        return has_word(text, needle)

    monkeypatch.setattr(needles, "_has_word", counted)
    many = Needles(f"cust_{number}" for number in range(10_000))
    assert many.are_in(" ".join(f"cust_{number}" for number in range(20_000, 20_100))) is False
    assert sought == []
    assert many.are_in("cust_5")
    assert sought == ["cust_5"]
