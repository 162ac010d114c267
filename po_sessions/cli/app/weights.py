"""The embedded model's weights, fetched where somebody sees how it goes."""

from __future__ import annotations

from po_sessions.cli.app.invocation import Invocation


def fetch(run: Invocation) -> str:
    """Fetch the weights, telling how it goes; return their path."""
    from po_sessions.models import weights

    with run.out.progress("Fetching") as (say, fetched):
        return weights.pull(run.model_paths, progress=say, fetched=fetched)
