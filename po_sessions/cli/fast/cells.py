"""Cells of tab-separated lines, for the commands and for the fast list, before anything large is imported."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMNS = (
    *("id", "po_name", "name", "message_count", "turn_count"),
    *("last_turn", "updated_at", "created_at", "preview"),
)
_SEPARATORS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), " ")


def separators_replaced(cell: str) -> str:
    """Return a text with spaces in place of what separates columns and lines, or acts on a terminal."""
    return cell if cell.isprintable() else cell.translate(_SEPARATORS)


def session_cells(field: "Callable[[str], object]", *, current: bool, orphaned: bool) -> list[str]:
    """Return the cells of a session's line in a pipe; `field` returns one of its fields by name."""
    return ["*" if current else "-", *(str(field(name)) for name in _COLUMNS), "orphaned" if orphaned else "-"]
