"""A failed build is told by its cause, each with its own code: the known messages are looked for in what was said."""

import pytest

from provision.api.build_causes import explained
from provision.catalogue import load
from provision.errors import BuildError


def failed(*said: str, cause: str = "exit code: 1", code: str = "KGE-401") -> BuildError:
    error = BuildError(code, "installing Python packages failed", cause=cause, log=said[-3:])
    error.said = said
    return error


NO_SOLUTION = "error: No solution found when resolving dependencies"
NOT_THERE = "  cause: Because x was not found in the package registry and you"
NO_LOGIN = "hint: An index URL (http://i/) could not be queried due to a lack of valid authentication credentials (401"
NO_TUNNEL = "  cause: tunnel error: failed to create underlying connection"
REFUSED = "  cause: Connection refused (os error 111)"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("KGE-672", [NO_SOLUTION, "  cause: Because a depends on b<1 and you require b>1"]),
        ("KGE-436", [NO_SOLUTION, NOT_THERE]),
        ("KGE-430", [NO_SOLUTION, NOT_THERE, NO_LOGIN]),
        ("KGE-431", ["  cause: dns error", "  cause: failed to lookup address information: Name or service not known"]),
        ("KGE-431", ["  Temporary failure resolving 'mirror.example'", "E: Unable to locate package git"]),
        ("KGE-432", [NO_TUNNEL, REFUSED]),
        ("KGE-433", ["error: Failed to fetch: https://x/simple/y/", "  cause: operation timed out"]),
        ("KGE-434", ["  cause: tcp connect error", REFUSED]),
        ("KGE-437", ["E: Unable to locate package git-of-mine"]),
        ("KGE-668", ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."]),
        ("KGE-669", ["  cause: client error (Connect)", "  cause: invalid peer certificate: UnknownIssuer"]),
        ("KGE-401", ["something that nobody knows"]),
    ],
)
def test_each_cause_has_its_code(code: str, said: list[str]) -> None:
    found = explained(failed(*said), load())
    assert found.code == code
    assert found.fix != "" or code == "KGE-401"
    assert found.text.lower().startswith("installing python packages failed")
    assert int(found.exit_code) == 6


def test_the_engines_own_words_count_as_well() -> None:
    cause = 'Get "https://registry.example/v2/": x509: certificate signed by unknown authority'
    assert explained(failed(cause=cause, code="KGE-402"), load()).code == "KGE-440"
    missing = "process /bin/sh did not complete successfully: network bridge not found"
    assert explained(failed(cause=missing), load()).code == "KGE-443"


def test_the_line_that_matters_is_shown_where_it_stands_further_up() -> None:
    said = ("  cause: operation timed out", *map(str, range(30)))
    found = explained(failed(*said), load())
    assert found.log == ("cause: operation timed out", "...", "29")


def test_a_full_disk_is_no_message_of_others() -> None:
    error = failed("  cause: operation timed out", code="KGE-403")
    assert explained(error, load()) is error
