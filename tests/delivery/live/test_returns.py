"""What was on its way when a connection broke is not counted again, once."""

from uuid import uuid4

from marketplace.delivery.live.returns import KEPT_SECONDS, ON_THE_WAY_SECONDS, Delivery, Returns

TOKEN = uuid4()


def delivery(*pieces: tuple[str, int, float]) -> Delivery:
    made = Delivery()
    for place, rows, at in pieces:
        made.note(place, rows, at)
    return made


def test_what_was_counted_after_the_place_is_not_counted_again() -> None:
    returns = Returns()
    returns.keep(TOKEN, delivery(("a", 0, 0), ("b", 3, 1), ("c", 4, 2)), 3)
    assert returns.take(TOKEN, "b", 4) == 4
    assert returns.take(TOKEN, "b", 5) == 0


def test_only_what_can_have_been_on_its_way() -> None:
    returns = Returns()
    returns.keep(TOKEN, delivery(("a", 0, 0), ("b", 3, 1), ("c", 4, 2 + ON_THE_WAY_SECONDS)), 3 + ON_THE_WAY_SECONDS)
    assert returns.take(TOKEN, "a", 4 + ON_THE_WAY_SECONDS) == 4


def test_nobody_else_and_no_other_place() -> None:
    returns = Returns()
    returns.keep(TOKEN, delivery(("a", 0, 0), ("b", 3, 1)), 2)
    assert returns.take(uuid4(), "a", 3) == 0
    assert returns.take(TOKEN, "x", 3) == 0
    assert returns.take(TOKEN, "a", 3 + KEPT_SECONDS) == 0
