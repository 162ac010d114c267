"""The noun `po config`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun
from po_sessions.cli.config import settings

ABOUT = Noun(
    "Show and change your settings.\n\n"
    "They are kept in one file of yours, for all environments. An environment may have one too, which goes over yours. "
    "It may have come with a repository, so a model file is refused there. Whatever else a file has is left alone. The "
    "settings are:\n\n"
    + "\n\n".join(
        f"{one.name}: {one.meaning} ${one.variable} goes over the files; the default is {one.default}."
        for one in settings.SETTINGS.values()
    ),
    after="model",
    see_also=["model", "backup"],
)
