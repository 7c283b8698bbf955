"""Logs are read as people have them: from a Windows console, with colours and prefixes, broken, in another language."""

import pytest

from provision.catalogue import load
from provision.doctor.messages import recognise
from provision.doctor.text import decode, english, lines_of

ROWS = load().errors
SELECT = 'could not select device driver "" with capabilities: [[gpu]]'


@pytest.mark.parametrize(
    "data",
    [
        "\u00e4\r\n".encode(),
        "\ufeff\u00e4\r\n".encode(),
        "\ufeff\u00e4\r\n".encode("utf-16-le"),
        "\ufeff\u00e4\r\n".encode("utf-16-be"),
    ],
)
def test_the_text_of_a_windows_console_is_read(data: bytes) -> None:
    assert decode(data) == "\u00e4\r\n"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert decode(b"a\xff\xfe b") == "a\ufffd\ufffd b"


@pytest.mark.parametrize(
    "line",
    [
        f"trainer-1  | {SELECT}",
        f"> {SELECT}",
        f">> {SELECT}",
        f"[pod/tf-0/main] {SELECT}",
        f"2025-03-01T10:00:00.123456789Z stderr F {SELECT}",
        f"#12 40.1 {SELECT}",
        f"3: {SELECT}",
        f"\x1b[1;31m{SELECT}\x1b[0m",
        f"^[[31m{SELECT}^[[0m",
        f"\x1b]0;title\x07{SELECT}",
        SELECT.replace('"', "\u201d"),
    ],
)
def test_colours_and_prefixes_are_taken_off(line: str) -> None:
    assert list(lines_of(line)) == [SELECT]


def test_a_record_of_json_or_of_a_structured_log_is_read_as_its_lines() -> None:
    record = '{"log":"stderr: x\\\\nexec: \\"nvidia\\" failed\\n"}'
    assert list(lines_of(record)) == ['{"log":"stderr: x\\', 'exec: "nvidia" failed', '"}']
    assert list(lines_of('exec: \\"nvidia\\" failed')) == ['exec: \\"nvidia\\" failed']


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "write /x: Auf dem Ger\u00e4t ist kein Speicherplatz mehr verf\u00fcgbar",
            "write /x: No space left on device",
        ),
        ("/dev/kfd: \u6743\u9650\u4e0d\u591f", "/dev/kfd: Permission denied"),
        ("bash: /dev/kfd: Permiso denegado", "bash: /dev/kfd: Permission denied"),
        ("E: Paket docker-ce kann nicht gefunden werden.", "E: Unable to locate package docker-ce"),
        ("bash: nvidia-smi: Kommando nicht gefunden.", "bash: nvidia-smi: command not found"),
        ("No such file or directory", "No such file or directory"),
    ],
)
def test_the_systems_own_words_are_read_in_other_languages(line: str, expected: str) -> None:
    assert english(line) == expected


def test_a_line_that_a_terminal_broke_is_read_as_one() -> None:
    start = "docker: Error response from daemon: could not select device driver"
    assert recognise(f'{start}\n"" with capabilities: [[gpu]].', ROWS)[0].line == start
    assert not recognise('short: could not select device driver\n"" with capabilities: [[gpu]].', ROWS)
    stamped = '2025-03-01 10:00:00 "" with capabilities: [[gpu]].'
    assert not recognise(f"{start}\n{stamped}", ROWS)


def test_what_the_next_line_says_by_itself_is_its_own() -> None:
    noise = "training of the first model on the first GPU of the first node begins now"
    found = recognise(f"{noise}\n{SELECT}", ROWS)
    assert [one.line for one in found] == [SELECT]
