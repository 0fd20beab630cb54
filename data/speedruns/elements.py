"""Follow the elements a container is made of, by the lengths they state, to where the file ends.

Demuxers stop without a word where a file was cut between two packets, or where another follows.
"""

from collections.abc import Callable
from mmap import ACCESS_READ, mmap
from pathlib import Path

LEAST_VIDEO = 1024  # bytes after the last packet; fewer are a tag of a tool
LOOK = 1 << 20  # bytes to look at for others than zeros

Element = tuple[bool, int | None]  # is it one that may stand here; its length, None: to the end


def read_box(head: bytes) -> Element:  # of mp4 and mov
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return head[4:8].isalnum() and head[4:8] != b"ftyp", length or None


def read_chunk(head: bytes) -> Element:  # of avi
    length = int.from_bytes(head[4:8], "little")
    return head[:4].isalnum(), 8 + length + length % 2 if length else None


def read_object(head: bytes) -> Element:  # of asf and wmv
    return head[:4] != b"\x30\x26\xb2\x75", int.from_bytes(head[16:24], "little") or None


def read_ebml(head: bytes) -> Element:  # of mkv and webm
    number = 9 - head[0].bit_length()  # bytes of the identifier; as many zeros begin it, less one
    width = 9 - head[number].bit_length() if number <= 4 else 9
    stated = int.from_bytes(head[number : number + width], "big")
    unknown = (1 << 7 * width) - 1
    length = stated & unknown
    known = head[:number] in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\xec")
    return known and width <= 8, None if length == unknown else number + width + length


READERS: dict[str, Callable[[bytes], Element]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": read_box,
    "avi": read_chunk,
    "asf": read_object,
    "matroska,webm": read_ebml,
}


def check_ends(path: Path, format_name: str, place: int) -> tuple[bool, bool]:
    """Tell whether a file is cut, and whether another follows after its last packet.

    `place` is where its last packet ends, in bytes.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        size = len(content)
        if format_name == "gif":
            return content[-1:] not in (b";", b"\0"), False
        if format_name == "yuv4mpegpipe":
            return place < size, False
        if format_name == "flv":
            return False, may_be_video(content[place : place + LOOK])
        read, at = READERS.get(format_name), 0
        while read and at < size:
            follows = at >= place
            if follows and not may_be_video(content[at : at + LOOK]):
                break
            fits, length = read(content[at : at + 32].ljust(32, b"\0"))
            if at and not fits:
                return False, follows
            if length is None:
                break
            at += max(length, 1)
            if at > size:
                return read is not read_chunk, False  # an avi tells by its index
        return False, False


def may_be_video(rest: bytes) -> bool:
    return len(rest) > LEAST_VIDEO and any(rest)
