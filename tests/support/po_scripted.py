"""`po` as a process on the scripted back end, which does what `PO_TEST_SCRIPT` says."""

from __future__ import annotations

import sys

from po_sessions import models
from po_sessions.cli import main

sys.path.insert(0, __file__.rsplit("/", 2)[0])
models.BACKENDS["embedded"] = "support.scripted:ScriptedBackend"
main()
