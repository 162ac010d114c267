"""What stands between tabs. `po session list` uses it before anything large is imported."""

_SEPARATORS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), " ")


def separators_replaced(cell: str) -> str:
    """Return a text with spaces in place of what separates columns and lines, or acts on a terminal."""
    return cell if cell.isprintable() else cell.translate(_SEPARATORS)
