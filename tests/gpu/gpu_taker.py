"""Takes nearly all memory of each NVIDIA GPU with the driver library alone, says so, and holds it until stdin ends."""

import ctypes
import sys

MIB = 1 << 20
LEFT = 64 * MIB  # less than any framework needs for a start


def main() -> None:
    """Take it."""
    cuda = ctypes.CDLL("libcuda.so.1")
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return
    held = 0
    for i in range(count.value):
        context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
        # The context stays current, and its memory with it, until this process ends.
        if cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), i) or cuda.cuCtxSetCurrent(context):
            return
        cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        size = max(0, free.value - LEFT)
        while size > MIB:
            if cuda.cuMemAlloc_v2(ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(size)):
                size //= 2
                continue
            held += size
            cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
            size = max(0, free.value - LEFT)
    sys.stdout.write(f"{held // MIB} MiB\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
