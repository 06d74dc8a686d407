"""Read a bundle, a folder or a zip, into memory under size limits. Nothing is unpacked to disk.

Only the expected names are read, and bytes are counted while they inflate, so paths, links, zip bombs and
false sizes in the archive have no effect. Next: `scoring/validate.py` checks the contents.
"""

import io
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from leaderboard.bundle.names import FILES, MIB, ZIP_MOST, Members
from leaderboard.bundle.problem import refuse

RATIO = 200  # largest inflated size / compressed size of one member
LOCAL_HEADER = 30  # bytes of a zip member's header before its name
EXPECTED = f"a bundle holds only {', '.join(FILES)}; `metanas pack RUN` makes one of a run folder"


def read(path: Path) -> Members:
    """The files of a bundle, a folder or a zip. BundleError if a file is missing, unknown or too large."""
    if path.is_dir():
        members = read_folder(path)
    elif path.is_file():
        if path.stat().st_size > ZIP_MOST:
            raise refuse("", f"{path.stat().st_size} bytes, at most {ZIP_MOST} are accepted")
        members = read_zip(path.read_bytes())
    else:
        raise refuse("", f"there is no {path}", hint="give the folder or the zip that `metanas pack` wrote")
    return members


def read_folder(folder: Path) -> Members:
    """The files of a bundle folder. BundleError for anything else in it, links included."""
    paths = sorted(folder.iterdir())
    _check_names([path.name for path in paths])
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise refuse(path.name, "not a plain file")
        if path.stat().st_size > FILES[path.name].most:
            raise _too_large(path.name)
    return {path.name: path.read_bytes() for path in paths}


def read_zip(content: bytes) -> Members:
    """The files of a zipped bundle, given the bytes of the zip. BundleError for anything unusual."""
    if len(content) > ZIP_MOST:
        raise refuse("", f"{len(content)} bytes, at most {ZIP_MOST // MIB} MiB are accepted")
    if not content.startswith(b"PK\x03\x04"):
        raise refuse("", "not a zip file", hint="`metanas pack` writes one; tar, 7z and others are not read")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_names([member.filename for member in members])
            _check_layout(members, len(content))
            return {member.filename: _inflate(archive, member) for member in members}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError) as error:
        raise refuse("", f"a damaged zip file: {error}") from error
    except (NotImplementedError, RuntimeError, ValueError, OSError, UnicodeError) as error:
        if hasattr(error, "problems"):
            raise
        raise refuse("", f"a zip file that cannot be read: {error}") from error


def _check_names(names: Sequence[str]) -> None:
    """BundleError for unknown or repeated names, and for required ones that are missing."""
    for name in names:
        if name not in FILES:
            raise refuse("", f"{name[:80]!r} does not belong in a bundle", hint=EXPECTED)
        if names.count(name) > 1:
            raise refuse(name, "stands in the bundle twice")
    for name, allowed in FILES.items():
        if allowed.required and name not in names:
            raise refuse(name, "missing", hint="`metanas pack RUN` makes a whole bundle")


def _check_layout(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """BundleError for members that are no plain, unencrypted, separate files within a zip of `size` bytes."""
    end = 0  # of the member before
    for member in sorted(members, key=lambda m: m.header_offset):
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.is_dir():
            raise refuse(member.filename, "not a plain file (a link, folder or device)")
        if member.flag_bits & 0x1:
            raise refuse(member.filename, "encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(
                member.filename, f"packed by method {member.compress_type}", hint="use deflate or none"
            )
        if member.file_size > FILES[member.filename].most:
            raise _too_large(member.filename)
        if member.file_size > max(RATIO * member.compress_size, 4096):
            raise refuse(member.filename, f"inflates more than {RATIO} times")
        if member.header_offset < end:
            raise refuse(member.filename, "overlaps another file of the zip")
        end = member.header_offset + LOCAL_HEADER + len(member.filename) + member.compress_size
    if end > size:
        raise refuse("", "a damaged zip file: a member ends after the end of the file")


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    most = FILES[member.filename].most
    with archive.open(member) as file:
        content = file.read(most + 1)  # reads to the end if it can, which checks the CRC
    if len(content) > most:
        raise _too_large(member.filename)
    return content


def _too_large(name: str) -> Exception:
    return refuse(name, f"larger than the {FILES[name].most} bytes that are accepted")
