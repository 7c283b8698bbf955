"""Docker's multiplexed output, taken apart while it arrives and bounded in size.

Format: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
(8 bytes of header: stream 1 or 2, three zeros, length as a big-endian number).
"""

HEADER = 8
KEEP = 1 << 20  # bytes kept of each stream, the last ones
STREAMS = (1, 2)  # stdout, stderr


class StreamDemux:
    """The last MiB of stdout and of stderr."""

    def __init__(self) -> None:
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
