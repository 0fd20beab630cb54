"""The user's own files of a game: which ROM is meant, what is in it, the battery save beside it."""

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePath

from emurust import check_rom

ROM_SUFFIXES = (".gb", ".gbc")
ARCHIVE_SUFFIXES = (".zip", ".gz")
SAVE_SUFFIXES = (".sav", ".srm")
MAX_ROM_BYTES = 8 << 20
COPIER_BYTES, BANK_BYTES = 512, 1 << 14
#: What the files of archives begin with.
ARCHIVES = {
    **{b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gzip"},
    **{b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "RAR", b"\xfd7zXZ": "xz", b"BZh": "bzip2"},
}


def find_rom(directory: Path) -> Path | None:
    """Return the one ROM in `directory/roms`; None where no such folder is, or nothing in it.

    Raises ValueError that says what is there, where that is no ROM, or several, or lies in a
    folder whose name is spelt another way.
    """
    roms = directory / "roms"
    folders = sorted(p for p in directory.iterdir() if p.name.lower() == "roms")
    there = [p for f in folders for p in (sorted(f.iterdir()) if f.is_dir() else [f])]
    there = [p for p in there if _is_the_users(PurePath(p.name))]
    found = [p for p in there if p.parent == roms and p.is_file()]
    found = [p for p in found if p.suffix.lower() in ROM_SUFFIXES + ARCHIVE_SUFFIXES]
    if len(found) == 1:
        return found[0]
    if not there:
        return None
    listed = _listing(f"{p.relative_to(directory)}{'/' * p.is_dir()}" for p in found or there)
    raise ValueError(
        f"expected one ROM ({', '.join(ROM_SUFFIXES + ARCHIVE_SUFFIXES)}) in {roms}, got "
        f"{len(found) or 'none'} ({listed}): put it there, unpacked, pass --rom FILE, or leave "
        "nothing there to play the bundled game"
    )


def read_rom(path: Path) -> tuple[bytes, list[str]]:
    """Return the bytes of a ROM, out of a zip or gzip file if need be, and what is odd about it.

    Raises OSError, or ValueError that names the file, for what is no ROM or none that can be run.
    """
    rom, notes = _unpack(path), []
    if (kind := _archive_kind(rom)) is not None:
        raise ValueError(
            f"{path} is a {kind} archive, or holds one: unpack it, and pass --rom FILE"
        )
    if len(rom) > MAX_ROM_BYTES + COPIER_BYTES:
        raise ValueError(f"{path}: expected a ROM of up to {MAX_ROM_BYTES} bytes, got more")
    if len(rom) % BANK_BYTES == COPIER_BYTES and _has_header(rom[COPIER_BYTES:]):
        rom = rom[COPIER_BYTES:]
        notes.append(f"{path}: the {COPIER_BYTES} bytes before the ROM, a copier's, are left out")
    try:
        notes += [f"{path}: {warning}" for warning in check_rom(rom)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return rom, notes


def find_battery_save(rom: Path) -> Path | None:
    """Return the save that an emulator has put beside a ROM: red.sav or red.srm for red.gb.

    Raises ValueError where there are two.
    """
    bare = rom.with_suffix("") if rom.suffix.lower() == ".gz" else rom
    stems = {name.casefold() for name in (rom.name, bare.name, bare.stem)}
    found = [
        path
        for path in sorted(rom.parent.iterdir())
        if path.suffix.lower() in SAVE_SUFFIXES and path.stem.casefold() in stems
    ]
    if len(found) > 1:
        raise ValueError(
            f"expected one battery save beside {rom}, got {_listing(p.name for p in found)}: pass "
            "--battery-save FILE, or none"
        )
    return found[0] if found else None


def _unpack(path: Path) -> bytes:
    """Return what is in a file, or in the archive that it is, up to some bytes too many."""
    limit = MAX_ROM_BYTES + COPIER_BYTES + 1
    with path.open("rb") as file:
        data = file.read(limit)
    kind = _archive_kind(data)
    if kind not in ("zip", "gzip"):
        return data
    try:
        if kind == "gzip":
            with gzip.open(path) as file:
                return file.read(limit)
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            paths = {name: PurePath(name) for name in names}
            roms = [
                name
                for name, path in paths.items()
                if path.suffix.lower() in ROM_SUFFIXES and _is_the_users(path)
            ]
            if len(roms) == 1:
                with archive.open(roms[0]) as file:
                    return file.read(limit)
    except (
        *(OSError, EOFError, RuntimeError, KeyError),
        *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    ) as error:
        raise ValueError(f"{path} cannot be unpacked: {error}") from error
    raise ValueError(
        f"{path}: expected one ROM ({', '.join(ROM_SUFFIXES)}) in the archive, got "
        f"{len(roms) or 'none'} ({_listing(roms or names)}): unpack it, and pass --rom FILE"
    )


def _archive_kind(data: bytes) -> str | None:
    """Return which kind of archive begins with `data`, if it is one."""
    if data[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in ARCHIVES.items() if data.startswith(magic)), None)


def _is_the_users(path: PurePath) -> bool:
    """Say whether a file is one that somebody put there, and not a system's own."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.name.lower() not in ("thumbs.db", "desktop.ini")


def _has_header(rom: bytes) -> bool:
    """Say whether the checksum of a ROM's header is right."""
    return len(rom) > 0x14D and rom[0x14D] == -sum(rom[0x134:0x14D], 25) % 256


def _listing(names: Iterable[object], limit: int = 6) -> str:
    listed = [str(name) for name in names]
    more = [f"and {len(listed) - limit} more"] if len(listed) > limit else []
    return ", ".join(listed[:limit] + more) or "nothing"
