"""The noun `po model`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    "List the models, choose the default, fetch the embedded one.",
    after="object",
    examples={
        "po model list": "See which models can answer.",
        "po model pull": "Fetch the embedded one, or check that it is whole.",
        "po model default gpt-4o-mini": "Choose another where none is named; 'llm keys set openai' gives it its key.",
    },
    see_also=["send", "config"],
)
