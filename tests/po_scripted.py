"""`po` as a process on the scripted back end; `PO_TEST_SCRIPT` names what it does, see `scripted.py`."""

from __future__ import annotations

from po_sessions import models
from po_sessions.cli import main

models.BACKENDS["embedded"] = "scripted:ScriptedBackend"
main()
