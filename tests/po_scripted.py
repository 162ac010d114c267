"""`po` as a process on the scripted back end, which does what `PO_TEST_SCRIPT` says."""

from __future__ import annotations

from po_sessions import models
from po_sessions.cli import main

models.BACKENDS["embedded"] = "scripted:ScriptedBackend"
main()
