"""Programs and libraries made here byte by byte: a driver library that lies, a program for another processor.

No compiler is needed, and nothing of NVIDIA's is in them. ELF: the System V ABI, "Object Files", and its x86-64
supplement; the functions are x86-64 machine code.
"""

import struct
from collections.abc import Mapping

PAGE = 0x1000
DYN, EXEC, X86_64, AARCH64 = 3, 2, 62, 183
LOAD, DYNAMIC, STACK = 1, 2, 0x6474E551
R, W, X = 4, 2, 1
HASH, STRTAB, SYMTAB, STRSZ, SYMENT = 4, 5, 6, 10, 11
DONE = b"\x31\xc0\xc3"  # xor eax, eax; ret: returns 0, which is success


def returns(number: int) -> bytes:
    """A function that returns a number."""
    return b"\xb8" + struct.pack("<I", number) + b"\xc3"


def writes(number: int) -> bytes:
    """A function that writes a number of 32 bits to where its first argument points, and succeeds."""
    return b"\xc7\x07" + struct.pack("<I", number) + DONE


NO_DEVICE = {"cuInit": returns(100), "cuDriverGetVersion": writes(13000)}  # 100: CUDA_ERROR_NO_DEVICE
# As much of a driver as TensorFlow asks before it lists a GPU; whatever it does with it then fails.
LYING = {
    "cuInit": DONE,
    "cuDriverGetVersion": writes(13000),
    "cuDeviceGetCount": writes(1),
    "cuDeviceGet": writes(0),
    "cuDeviceGetAttribute": writes(9),  # compute capability 9.9, and 9 of everything else
    "cuDeviceGetName": writes(ord("X")),
    "cuDeviceTotalMem_v2": writes(1 << 30),
}
NVML = {"nvmlInit_v2": DONE}


def header(kind: int, machine: int, entry: int, programs: int) -> bytes:
    """The first 64 bytes of an ELF file whose program headers follow."""
    sizes = struct.pack("<HHHHHH", 64, 56, programs, 64, 0, 0)
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQI", kind, machine, 1, entry, 64, 0, 0) + sizes


def segment(kind: int, flags: int, at: int, size: int, align: int = 8) -> bytes:
    """A program header; addresses are offsets in the file."""
    return struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, align)


def library(functions: Mapping[str, bytes]) -> bytes:
    """A shared object for x86-64 that exports functions."""
    at = 64 + 4 * 56
    names, symbols, code, places = b"\0", b"\0" * 24, b"", []
    for name, body in functions.items():
        places.append((len(names), len(code), len(body)))
        names += name.encode() + b"\0"
        code += body
    count = len(functions) + 1
    # One bucket: a chain through every symbol.
    table = struct.pack(f"<{2 + 1 + count}I", 1, count, 1 if functions else 0, 0, *range(2, count), 0)
    text = at + len(table) + 24 * count + len(names)
    for name_at, code_at, size in places:
        symbols += struct.pack("<IBBHQQ", name_at, 0x12, 0, 1, text + code_at, size)  # a global function
    dynamic = {
        HASH: at,
        SYMTAB: at + len(table),
        STRTAB: at + len(table) + len(symbols),
        STRSZ: len(names),
        SYMENT: 24,
        0: 0,
    }
    entries = b"".join(struct.pack("<QQ", *pair) for pair in dynamic.items())
    end = text + len(code)
    start = -(-end // PAGE) * PAGE  # the loader writes to the dynamic section: it gets a page of its own
    heads = (
        segment(LOAD, R | X, 0, end, PAGE)
        + segment(LOAD, R | W, start, len(entries), PAGE)
        + segment(DYNAMIC, R | W, start, len(entries))
        + segment(STACK, R | W, 0, 0)
    )
    body = header(DYN, X86_64, 0, 4) + heads + table + symbols + names + code
    return body.ljust(start, b"\0") + entries


def program(machine: int = AARCH64) -> bytes:
    """A static program for another processor; what it would do does not matter, for it is never started."""
    size = 64 + 56 + 4
    return (
        header(EXEC, machine, 0x400000 + 64 + 56, 1)
        + struct.pack("<IIQQQQQQ", LOAD, R | X, 0, 0x400000, 0x400000, size, size, PAGE)
        + b"\0\0\0\0"
    )
