"""Working ahead: order, errors, and that no more than one item waits."""

from contextvars import ContextVar
from threading import Event, get_ident

import pytest

from sonic_core.media.prefetch import ahead

LIMIT = 10  # seconds after which a wait has failed


def test_items_come_in_order_from_another_thread():
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert next(ahead(get_ident() for _ in range(1))) != get_ident()


def test_the_next_item_is_made_while_one_is_used():
    second, made = Event(), []

    def items():
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    source = ahead(items())
    assert next(source) == 0
    assert second.wait(LIMIT)
    assert made == [0, 1]
    source.close()
    assert made == [0, 1]


def test_what_making_raises_is_raised_here():
    def items():
        yield 1
        raise KeyError("broken")

    source = ahead(items())
    assert next(source) == 1
    with pytest.raises(KeyError, match="broken"):
        next(source)


def test_context_variables_are_seen():
    variable = ContextVar("variable", default=0)
    variable.set(7)
    assert next(ahead(variable.get() for _ in range(1))) == 7
