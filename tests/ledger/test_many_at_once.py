"""What looks at many entries at once refuses what the look at one alone refuses, wherever among them it stands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from ledger.entries import check_record, check_records, entry_bytes, read_columns, read_head
from ledger.errors import EntryError

AT = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
FIELDS = {"a": None, "b": True, "n": 2**53 - 1, "s": "ß", "list": [1, {"x": "y"}], "map": {"k": ["v"]}}


def entry(number: int, **fields: object) -> bytes:
    ref = f"r{number}"
    entry_id = UUID(int=number)
    return entry_bytes(kind="a.b", entry_id=entry_id, at=AT, refs=[ref, "r"], body={**FIELDS, **fields})


def changed(**fields: object) -> bytes:
    return orjson.dumps({**orjson.loads(entry(7)), **fields}, option=orjson.OPT_SORT_KEYS)


def lacking(name: str) -> bytes:
    content = orjson.loads(entry(7))
    del content[name]
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def nested(depth: int) -> object:
    return "x" if depth == 0 else [nested(depth - 1)]


GOOD = [entry(number) for number in range(5)]
BAD = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a text": b'"x"',
    "a space": b" " + entry(7),
    "a space at the end": entry(7) + b" ",
    "two of them": entry(7) + b"," + entry(8),
    "a name twice": entry(7).replace(b'"b":true', b'"b":true,"b":true'),
    "another order": b'{"z":1,' + entry(7)[1:],
    "an escape": entry(7).replace(b'"k"', rb'"\u006b"'),
    "no UTF-8": entry(7).replace("ß".encode(), b"\xdf"),
    "a float": changed(n=1.5),
    "a float deep down": changed(list=[{"x": 1.0}]),
    "a large number": changed(n=2**53),
    "a small number": changed(n=-(2**53)),
    "a large number deep down": changed(list=[2**53]),
    "a name that is no ASCII text": changed(ß="x"),
    "such a name deep down": changed(map={"ß": "x"}),
    "too deep": changed(list=nested(32)),
    "far too deep": changed(list="deep").replace(b'"deep"', b"[" * 300 + b"]" * 300),
    "too long": changed(s="x" * 8192),
    "another version": changed(v=2),
    "the version true": changed(v=True),
    "the version 1.0": changed(v=1.0),
    "one word as kind": changed(kind="a"),
    "no kind": changed(kind=None),
    "a list as kind": changed(kind=["a.b"]),
    "text as references": changed(refs="r"),
    "a number as reference": changed(refs=[1]),
    "null as reference": changed(refs=[None]),
    "a list as reference": changed(refs=[["r"]]),
    "an empty reference": changed(refs=[""]),
    "a reference with a quote": changed(refs=['"']),
    "a reference that begins with a dash": changed(refs=["-r"]),
    "a long reference": changed(refs=["r" * 129]),
    "many references": changed(refs=["r"] * 65),
    "a number as time": changed(at=1),
    "another form of time": changed(at="2026-03-14T09:26:53Z"),
    "a time that is no date": changed(at="2026-02-30T09:26:53.000000Z"),
    **{f"no {name}": lacking(name) for name in ("v", "id", "at", "refs")},
}


def check_one(body: bytes) -> object:
    return check_record(body, entry_id=str(read_head(body).entry_id), kind="a.b")


def check_all(bodies: list[bytes]) -> list[tuple[datetime, Sequence[str]]]:
    return check_records(bodies, entry_ids=read_columns(bodies).ids, kinds=["a.b"] * len(bodies))


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("place", [0, 2, 5])
def test_refuses_what_is_refused_alone(bad, place):
    with pytest.raises(EntryError):
        check_one(bad)
    with pytest.raises(EntryError):
        check_all([*GOOD[:place], bad, *GOOD[place:]])


def test_gives_what_each_gives_alone():
    most = changed(refs=[f"{'r' * 97}{number:03}" for number in range(64)], n=-(2**53) + 1, list=nested(30))
    good = [*GOOD, most, changed(refs=["r" * 128]), changed(refs=[])]
    assert [(at, tuple(refs)) for at, refs in check_all(good)] == [check_one(body) for body in good]


@pytest.mark.parametrize(("entry_id", "kind"), [(str(UUID(int=9)), "a.b"), (str(UUID(int=1)), "a.c")])
def test_refuses_what_is_not_as_its_columns_say(entry_id, kind):
    ids = [str(UUID(int=number)) for number in range(5)]
    ids[1] = entry_id
    with pytest.raises(EntryError):
        check_records(GOOD, entry_ids=ids, kinds=["a.b", kind, "a.b", "a.b", "a.b"])


def test_bodies_that_are_only_whole_together_are_refused():
    """Side by side these two are the text of two good objects."""
    one, other = b'{"a":[1', b'2]},{"b":1}'
    assert len(orjson.loads(b"[%b]" % b",".join([one, other]))) == 2
    with pytest.raises(EntryError):
        read_columns([one, other])
