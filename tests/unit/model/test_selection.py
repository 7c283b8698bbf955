"""GPUs are named by number, UUID, PCI address or architecture; those that nothing drives are told, never taken."""

import pytest
from msgspec.structs import replace

from provision.errors import UsageError
from provision.model import Gpu, Host
from provision.model.selection import number, only, select, visible

HELD = "it is held by vfio-pci, for virtual machines (KGE-102)"
NVIDIA = Host(
    gpus=(
        Gpu(vendor="nvidia", pci="0000:01:00.0", architecture="sm_52", usable=False, unusable=HELD),
        Gpu(vendor="nvidia", pci="0000:17:00.0", architecture="sm_90", uuid="GPU-aa"),
        Gpu(vendor="nvidia", pci="0000:3b:00.0", architecture="sm_80"),
    )
)
# KFD's order is not that of the bus; the second is the CPU's own GPU.
AMD = Host(
    gpus=(
        Gpu(vendor="amd", pci="0000:03:00.0", architecture="gfx1100", uuid="GPU-b", kfd_node=2),
        Gpu(vendor="amd", pci="0000:0d:00.0", architecture="gfx1036", integrated=True, kfd_node=3),
        Gpu(vendor="amd", pci="0000:23:00.0", architecture="gfx1100", uuid="GPU-c", kfd_node=1),
    )
)
PARTITIONS = Host(
    gpus=tuple(
        Gpu(vendor="amd", pci="0000:e5:00.0", architecture="gfx942", uuid="GPU-d", partition="CPX", kfd_node=1 + part)
        for part in range(8)
    )
)


@pytest.mark.parametrize(
    ("host", "words", "places"),
    [
        (NVIDIA, "all", [1, 2]),
        (NVIDIA, " All ", [1, 2]),
        (NVIDIA, "1", [1]),
        (NVIDIA, "gpu-AA", [1]),
        (NVIDIA, "17:00.0", [1]),
        (NVIDIA, "00000000:17:00.0", [1]),
        (NVIDIA, "0000:17:00", [1]),
        (NVIDIA, "sm_80", [2]),
        (NVIDIA, "sm_80, 1, GPU-aa", [2, 1]),
        (AMD, "all", [0, 2]),
        (AMD, "gfx1100", [0, 2]),
        (AMD, "1", [1]),
        (AMD, "gfx1036", [1]),
        (PARTITIONS, "GPU-d", [*range(8)]),
        (PARTITIONS, "e5:00.0", [*range(8)]),
        (PARTITIONS, "3", [3]),
    ],
)
def test_names(host: Host, words: str, places: list[int]) -> None:
    maker = host.gpus[0].vendor
    chosen = select(host, maker, words)
    assert [place for place, _ in chosen] == places
    assert [gpu for _, gpu in chosen] == [host.gpus[place] for place in places]
    assert only(host, maker, words).gpus == tuple(host.gpus[place] for place in places)


@pytest.mark.parametrize("words", ["0", "01:00.0", "sm_52", "1,0"])
def test_a_gpu_that_nothing_drives_is_told_with_the_reason(words: str) -> None:
    with pytest.raises(UsageError, match="cannot be used") as caught:
        select(NVIDIA, "nvidia", words)
    assert caught.value.code == "KGE-306"
    assert HELD in caught.value.cause


@pytest.mark.parametrize("words", ["3", "-1", "", "sm_75", "99:00.0", "GPU-zz", "all,0", "nonsense"])
def test_an_unknown_name_lists_what_there_is(words: str) -> None:
    with pytest.raises(UsageError, match="has no NVIDIA GPU") as caught:
        select(NVIDIA, "nvidia", words)
    assert f"0 = GPU 0000:01:00.0 (not usable: {HELD}); 1 = GPU GPU-aa; 2 = GPU 0000:3b:00.0" in caught.value.cause


def test_an_integrated_gpu_is_chosen_where_there_is_no_card() -> None:
    alone = replace(AMD, gpus=AMD.gpus[1:2])
    assert select(alone, "amd") == ((0, AMD.gpus[1]),)
    beside_a_dead_card = replace(AMD, gpus=(replace(AMD.gpus[0], usable=False), AMD.gpus[1]))
    assert select(beside_a_dead_card, "amd") == ((1, AMD.gpus[1]),)


def test_an_integrated_gpu_beside_a_card_of_another_maker() -> None:
    both = replace(AMD, gpus=(*NVIDIA.gpus, AMD.gpus[1]))
    assert select(both, "amd") == ((0, AMD.gpus[1]),)


def test_the_numbers_of_the_makers_own_tools() -> None:
    """NVIDIA's do not count a GPU that its module does not have; ROCr's are those of KFD's nodes."""
    assert [number(NVIDIA, gpu) for gpu in NVIDIA.gpus[1:]] == [0, 1]
    assert [number(AMD, gpu) for gpu in AMD.gpus] == [1, 2, 0]
    assert [number(PARTITIONS, gpu) for gpu in PARTITIONS.gpus] == [*range(8)]


def test_mig_slices_have_the_number_of_their_gpu() -> None:
    slices = tuple(Gpu(vendor="nvidia", pci=f"0000:{bus}:00.0", partition="1g.10gb") for bus in ("17", "17", "3b"))
    host = Host(gpus=slices)
    assert [number(host, gpu) for gpu in host.gpus] == [0, 0, 1]


@pytest.mark.parametrize(
    ("host", "words", "value"),
    [
        (NVIDIA, "all", ""),
        (NVIDIA, "1", "GPU-aa"),
        (NVIDIA, "2,1", "1,GPU-aa"),
        (AMD, "all", "GPU-b,GPU-c"),
        (AMD, "1", "2"),
        (PARTITIONS, "all", ""),
        (PARTITIONS, "5,2", "5,2"),
    ],
)
def test_what_a_process_is_shown(host: Host, words: str, value: str) -> None:
    assert visible(host, host.gpus[0].vendor, words) == value
