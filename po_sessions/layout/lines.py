"""The lines between two places of an open file, read a block at a time; each place is where a line begins."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[int, int], bytes]
    """Returns so many bytes from a place on, fewer at the end of the file."""

_BLOCK = 1 << 16
_LARGEST = 1 << 20


def blocks(read: "Read", start: int, end: int) -> "Iterator[bytes]":
    """Yield whole lines with their ends, as many at once as fit a block, or one that is longer."""
    pieces: list[bytes] = []
    while start < end and (piece := read(min(4 * _BLOCK, end - start), start)):
        start += len(piece)
        if whole := piece.rfind(b"\n") + 1:
            yield b"".join([*pieces, piece[:whole]])
            pieces = []
        pieces.append(piece[whole:])
    if rest := b"".join(pieces):
        yield rest


def forwards(read: "Read", start: int, end: int) -> "Iterator[bytes]":
    """Yield the lines without their ends, the first one first."""
    for block in blocks(read, start, end):
        yield from block.removesuffix(b"\n").split(b"\n")


def backwards(read: "Read", start: int, end: int, needle: bytes = b"") -> "Iterator[bytes]":
    """Yield the lines that contain `needle`, without their ends, the last one first."""
    if end <= start:
        return
    end -= 1  # the end of the last line
    block = _BLOCK
    # Pieces of a line whose beginning is not read yet, the last one first.
    later: list[bytes] = []
    while end > start:
        begin = max(start, end - block)
        first, found, rest = read(end - begin, begin).partition(b"\n")
        if found:
            rest += b"".join(reversed(later))
            if needle in rest:  # which is faster than to look at each line
                yield from (line for line in reversed(rest.split(b"\n")) if needle in line)
            later = []
        later.append(first)
        end, block = begin, min(2 * block, _LARGEST)
    last = b"".join(reversed(later))
    if needle in last:
        yield last


def after(read: "Read", start: int, end: int, count: int) -> int:
    """Return where the line begins that has `count` lines before it."""
    for block in blocks(read, start, end):
        there = block.count(b"\n")
        if there >= count:
            at = 0
            for _ in range(count):
                at = block.index(b"\n", at) + 1
            return start + at
        start, count = start + len(block), count - there
    return end


def before(read: "Read", start: int, end: int, count: int) -> int:
    """Return where the first of the last `count` lines begins."""
    for line in backwards(read, start, end):
        if not count:
            break
        end, count = end - len(line) - 1, count - 1
    return end
