"""Docker's multiplexed output, taken apart while it arrives and bounded in size.

Format: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
(8 bytes of header: stream 1 or 2, three zeros, length as a big-endian number).
"""

from collections.abc import Callable

HEADER = 8
KEEP = 1 << 20  # bytes kept of each stream, the last ones
STDOUT = 1
STREAMS = (STDOUT, 2)  # and stderr


class StreamDemux:
    """The last MiB of stdout and of stderr; all of stdout also goes to `on_stdout` as it comes."""

    def __init__(self, on_stdout: Callable[[bytes], None] | None = None) -> None:
        self._on_stdout = on_stdout
        self._pending = b""
        self._kept: dict[int, bytearray] = {stream: bytearray() for stream in STREAMS}
        self._cut = dict.fromkeys(STREAMS, False)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes in, wherever they were cut."""
        data = self._pending + chunk
        at = 0
        while len(data) - at >= HEADER:
            end = at + HEADER + int.from_bytes(data[at + 4 : at + HEADER], "big")
            if end > len(data):
                break
            self._keep(data[at], data[at + HEADER : end])
            at = end
        self._pending = data[at:]

    def _keep(self, stream: int, payload: bytes) -> None:
        kept = self._kept.get(stream)
        if kept is None:
            return
        if stream == STDOUT and self._on_stdout:
            self._on_stdout(payload)
        kept += payload
        if len(kept) > KEEP:
            del kept[:-KEEP]
            self._cut[stream] = True

    def text(self, stream: int) -> str:
        """Return what was kept of stream 1 (stdout) or 2 (stderr); when cut, from the first whole line on."""
        kept = bytes(self._kept[stream])
        if self._cut[stream]:
            kept = kept.partition(b"\n")[2] or kept
        return kept.decode(errors="replace")
