from hypothesis import given
from hypothesis import strategies as st

from provision.engine.stream_demux import KEEP, StreamDemux


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=20), st.integers(1, 30))
def test_streams_are_told_apart_wherever_the_bytes_are_cut(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    output = StreamDemux()
    for at in range(0, len(data), size):
        output.feed(data[at : at + size])
    for wanted in (1, 2):
        whole = b"".join(payload for stream, payload in frames if stream == wanted)
        assert output.text(wanted) == whole.decode(errors="replace")


def test_the_last_mebibyte_is_kept_from_a_whole_line_on() -> None:
    output = StreamDemux()
    for number in range(50_000):
        output.feed(frame(1, b"line %050d\n" % number))
    text = output.text(1)
    assert KEEP - 60 < len(text) <= KEEP
    assert text.startswith("line ")
    assert text.endswith("49999\n")
    assert output.text(2) == ""


def test_a_noisy_stderr_does_not_push_out_stdout() -> None:
    output = StreamDemux()
    output.feed(frame(1, b"result\n"))
    output.feed(frame(2, b"x" * (3 * KEEP)))
    assert output.text(1) == "result\n"
    assert len(output.text(2)) == KEEP
