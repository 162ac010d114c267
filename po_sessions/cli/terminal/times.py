"""Times as people read them. Completion shows them too, so `datetime` is not imported here."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_time(stamp: str, now: "datetime") -> str:
    """Return a stored time as people read it, in the zone of `now`: `14:30`, `Yesterday`, `3 Mar`, `3 Mar 2024`."""
    try:
        moment = type(now).fromisoformat(stamp).astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return stamp  # of a file that others wrote
    days = (now.date() - moment.date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    if days == 1:
        return "Yesterday"
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {_MONTHS[moment.month - 1]}{year}"
