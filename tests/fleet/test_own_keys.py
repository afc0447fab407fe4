"""Whose objects a user may name: only those below the user's own folder, not below one whose name begins alike."""

import pytest

from sonic_core.errors import InputError
from sonic_core.fleet.submission import find_object


@pytest.mark.parametrize("user", ["al", "a", "alice2", "bob"])
def test_a_name_that_begins_alike_is_another_user(stores, portrait, user):
    stores.inputs.put("inputs/alice/1/photo.png", portrait)
    assert find_object(stores, "alice", "image", "inputs/alice/1/photo.png")["size"] > 0
    with pytest.raises(InputError, match="not below"):
        find_object(stores, user, "image", "inputs/alice/1/photo.png")
