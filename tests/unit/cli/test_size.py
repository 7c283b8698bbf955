"""What `size` calls a layer: in words, where a template made it."""

import pytest

from provision import api
from provision.cli.commands.size import size
from provision.model.size import ImageSize, LayerSize

RUN = "RUN |1 UID=1000 /bin/sh -c"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            f"{RUN} printf '%s\\n' 'a==1 --hash=sha256:1' 'b==1 --hash=sha256:2' > /x/requirements/runtime.txt && uv",
            "installing 2 wheels (runtime)",
        ),
        (
            "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends git && rm -rf /x",
            "installing git by apt",
        ),
        ("Imported from -", "Imported from -"),
        ("RUN /bin/sh -c make all", "RUN /bin/sh -c make all"),
    ],
)
def test_a_layer_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    found = ImageSize(image="x", bytes=5, layers=(LayerSize(command=command, bytes=5),), packages=())
    monkeypatch.setattr(api, "image_size", lambda _: found)
    size("x")
    assert capsys.readouterr().out.splitlines()[1].split("layer    ")[1] == words
