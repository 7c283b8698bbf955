"""Image references: which are taken, and what each part of them is."""

import doctest

import pytest

from provision.errors import UsageError
from provision.model import reference
from provision.model.reference import is_place, parse_reference, reference_of, rewrite

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "name", "registry", "repository", "version"),
    [
        ("debian", "debian", "docker.io", "library/debian", "latest"),
        ("rocm/tensorflow:1.2", "rocm/tensorflow", "docker.io", "rocm/tensorflow", "1.2"),
        ("docker.io/debian:12", "docker.io/debian", "docker.io", "library/debian", "12"),
        ("docker.io/library/debian:12", "docker.io/library/debian", "docker.io", "library/debian", "12"),
        ("index.docker.io/debian", "index.docker.io/debian", "docker.io", "library/debian", "latest"),
        ("localhost", "localhost", "docker.io", "library/localhost", "latest"),
        ("localhost/x", "localhost/x", "localhost", "x", "latest"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000", "a", "latest"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b", "localhost:5000", "a/b", "t"),
        ("[::1]:5000/a:t", "[::1]:5000/a", "[::1]:5000", "a", "t"),
        ("Registry.example/a:T", "Registry.example/a", "Registry.example", "a", "T"),
        (f"debian@{DIGEST}", "debian", "docker.io", "library/debian", DIGEST),
        (f"h.example:443/a/b:t@{DIGEST}", "h.example:443/a/b", "h.example:443", "a/b", DIGEST),
        (DIGEST, "sha256", "docker.io", "library/sha256", "0" * 64),  # an image's id is taken too
    ],
)
def test_the_parts(text: str, name: str, registry: str, repository: str, version: str) -> None:
    found = parse_reference(text)
    assert (found.name, found.registry, found.repository, found.version) == (name, registry, repository, version)


def test_a_tag_beside_a_digest_is_kept() -> None:
    found = parse_reference(f"a:t@{DIGEST}")
    assert (found.tag, found.digest) == ("t", DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-x", "/x", "x/", "a//b", "a b", "a\nb", "a\n", "\u00fc", "$(x)", "../x?y", "http://x/y"),
        *("UPPER", "Team/image", "localhost/Image", "registry.example/Team/image", "a..b/c", "a___b"),
        *("x:", "x:y:z", "a:-t", "x:" + "y" * 129, "h:port/x", "h:123456/x"),
        *("x@", "x@sha256:12", "x@sha256:" + "0" * 65, "x@sha256:" + "A" * 64, f"x@{DIGEST}:t"),
        *("a" * 256, "a" * 256 + ":t", "a" * 256 + f"@{DIGEST}"),
    ],
)
def test_what_names_no_image(text: str) -> None:
    assert reference_of(text) is None
    with pytest.raises(UsageError, match="is no image reference") as caught:
        parse_reference(text)
    assert (caught.value.code, "in lower case" in caught.value.fix) == ("KGE-411", True)


def test_the_longest_name_has_255_characters() -> None:
    assert parse_reference("a" * 255 + f":{'t' * 128}@{DIGEST}").tag == "t" * 128


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("debian:12", "mirror.example:5000/hub/library/debian:12"),
        ("docker.io/debian:12", "mirror.example:5000/hub/library/debian:12"),
        (f"rocm/tensorflow:1@{DIGEST}", f"mirror.example:5000/hub/rocm/tensorflow:1@{DIGEST}"),
        (f"nvidia/cuda@{DIGEST}", f"mirror.example:5000/hub/nvidia/cuda@{DIGEST}"),
        ("other.example/debian:12", "other.example/debian:12"),
        ("localhost:5000/x", "localhost:5000/x"),
    ],
)
def test_a_mirror_stands_for_a_registry(text: str, rewritten: str) -> None:
    assert rewrite(text, {"docker.io": "mirror.example:5000/hub/"}) == rewritten
    assert rewrite(text, {}) == text


def test_a_registrys_place() -> None:
    assert all(map(is_place, ("docker.io", "localhost:5000", "mirror.example:5000/docker/hub/", "[::1]:5000")))
    assert not any(map(is_place, ("", "-m", "a b", "https://m.example", "m.example:x", "m.example/Hub", "x\nRUN y")))


def test_the_example_is_true() -> None:
    assert doctest.testmod(reference) == (0, 2)
