"""The legend: every short name of a source is in it, and it has none that no row uses."""

import re

from provision.catalogue import load
from provision.catalogue.sources import Source, cited
from provision.model import Driver, Gpu, Host, Request, Vendor
from provision.resolve import resolve

# Words in capitals that are names of things, and no short names of sources.
NAMES = {"AMD", "CPU", "CU", "CUDA", "DKMS", "ELF", "ENOEXEC", "FLOPS", "GPU", "NVIDIA", "WSL"}
LEGEND = tuple(Source(id=name, title="t", where="w") for name in ("RN", "container-toolkit"))


def texts() -> list[str]:
    fields = ("source", "windows_source", "flavour_source")
    return [text for _, row in load().all_rows() for field in fields if (text := getattr(row, field, ""))]


def test_every_short_name_in_a_source_is_in_the_legend() -> None:
    used = {word for text in texts() for word in re.findall(r"(?<![\w/#-])[A-Z]{2,}(?![\w/#-])", text)}
    assert {"RN", "MVC", "PYPI", "WHL"} <= used
    assert used - NAMES <= {one.id for one in load().sources}


def test_every_short_name_of_the_legend_is_used_by_a_row() -> None:
    assert cited(load().sources, *texts()) == load().sources


def test_a_name_within_a_path_or_a_longer_word_is_none() -> None:
    assert cited(LEGEND, "NVIDIA/nvidia-container-toolkit/434", "RNX; RN-1; docs/RN") == ()
    assert [one.id for one in cited(LEGEND, "container-toolkit cdi-guide.rst", "RN 11.8 table 2")] == [
        "RN",
        "container-toolkit",
    ]


def test_resolving_alone_does_not_read_the_legend() -> None:
    facts = type(load())(load().directory)
    host = Host(gpus=(Gpu(vendor="nvidia", architecture="sm_90"),), drivers=(Driver(vendor="nvidia", version="535.1"),))
    resolve(facts, host, Request(vendor=Vendor.CUDA))
    assert "nvidia" in facts.__dict__
    assert "sources" not in facts.__dict__
    assert "errors" not in facts.__dict__  # 300 rows, which only a failure needs
