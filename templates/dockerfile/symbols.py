# Takes the symbol tables out of shared libraries, which no loader reads: as binutils' strip does, which no base has.
# A file that is no ELF of 64 bits stays as it is, and so does one whose tables lie among what is loaded, or are named
# by another section. https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
# ruff: noqa: D100, INP001 - it is written into a Dockerfile, line by line and without comments
import struct
import sys
from pathlib import Path

EMPTY, TABLE, NO_BITS = 0, 2, 8

for path in filter(Path.is_file, map(Path, sys.argv[1:])):
    with path.open("r+b") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            continue
        segments_at, sections_at = struct.unpack_from("<2Q", head, 32)
        _, segments, _, sections, names = struct.unpack_from("<5H", head, 54)
        file.seek(segments_at)
        end = max(one[2] + one[5] for one in struct.iter_unpack("<2I6Q", file.read(56 * segments)))
        file.seek(sections_at)
        rows = [list(one) for one in struct.iter_unpack("<2I4Q2I2Q", file.read(64 * sections))]
        tables = {number for number, row in enumerate(rows) if row[1] == TABLE}
        gone = tables | {rows[number][6] for number in tables}
        others = {row[6] for number, row in enumerate(rows) if number not in gone} | {names}
        if not gone or gone & others or min(rows[number][4] for number in gone) < end:
            continue
        place = end
        for number in sorted(range(sections), key=lambda number: rows[number][4]):
            row = rows[number]
            if number in gone:
                rows[number] = [EMPTY] * 10
            elif row[4] >= end and row[1] not in {EMPTY, NO_BITS}:
                file.seek(row[4])
                content = file.read(row[5])
                place += -place % max(row[8], 1)
                row[4] = file.seek(place)
                place += file.write(content)
        place += -place % 8
        file.seek(place)
        file.write(b"".join(struct.pack("<2I4Q2I2Q", *row) for row in rows))
        file.truncate()
        file.seek(40)
        file.write(struct.pack("<Q", place))
