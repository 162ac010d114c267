"""What comes back from the trash while its prompt object gets another name."""

from __future__ import annotations

import pytest

from po_sessions.errors import Conflict


def test_a_name_is_claimed_of_the_prompt_object_as_it_is_called_by_then(env):
    manager = env.session_manager
    manager.ensure("greeter", "Default")
    manager.delete(manager.find("Default", "greeter"))
    (entry,) = manager.trash.list()
    env.rename_prompt_object("greeter", "host")
    manager.ensure("host", "Default")
    with pytest.raises(Conflict, match="host has a session named 'Default'"):
        manager.trash.restore(entry)
    assert [one.name for one in manager.list()] == ["Default"]
    assert manager.trash.restore(entry, "Back").po_name == "host"
