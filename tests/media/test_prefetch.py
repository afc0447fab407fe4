"""Working ahead: order, errors, and that no more than one item waits."""

from contextvars import ContextVar
from functools import partial
from threading import Barrier, Event, get_ident

import pytest

from sonic_core.media.prefetch import ahead, computed

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


def test_tasks_run_side_by_side_and_their_results_keep_order():
    both = Barrier(2)

    def task(number):
        if number < 2:
            both.wait(LIMIT)  # broken unless the other one runs meanwhile
        return number

    tasks = (partial(task, number) for number in range(20))
    assert list(computed(tasks, workers=2)) == list(range(20))


def test_a_task_that_follows_itself_runs_once():
    runs = []
    task, other = lambda: runs.append(1), lambda: runs.append(2)
    assert len(list(computed(iter([task, task, other, task]), workers=1))) == 4
    assert runs == [1, 2, 1]


def test_tasks_are_asked_for_few_at_a_time_and_what_they_raise_is_raised_here():
    asked = []

    def tasks():
        for number in range(10):
            asked.append(number)
            yield partial(divmod, 1, 3 - number)

    results = computed(tasks(), workers=2)
    assert next(results) == (0, 1) and asked == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert asked == list(range(6))
