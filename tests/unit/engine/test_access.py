"""Hosts here are made up; device names and groups follow the facts (`amd.md` 4d, `nvidia.md` containers)."""

from typing import Literal

import msgspec
import pytest

from provision import model
from provision.engine.access import device_access
from provision.errors import UsageError

CUDA, ROCM = model.Vendor.CUDA, model.Vendor.ROCM
NODE_GID = 993


def engine(*cdi: str, name: Literal["docker", "podman"] = "docker") -> model.Engine:
    return model.Engine(name=name, version="28.5.2", cdi=cdi)


def nvidia(index: int, partition: str | None = None) -> model.Gpu:
    kind = "MIG" if partition else "GPU"
    return model.Gpu(vendor="nvidia", name="NVIDIA H100", uuid=f"{kind}-aaaa-{index}", partition=partition)


def amd(index: int) -> model.Gpu:
    return model.Gpu(
        vendor="amd",
        name="MI300X",
        uuid=f"0xbeef{index}",
        nodes=(
            model.DeviceNode(path=f"/dev/dri/card{index}", gid=44, mode=0o660),
            model.DeviceNode(path=f"/dev/dri/renderD{128 + index}", gid=NODE_GID, mode=0o660),
        ),
    )


KFD = model.DeviceNode(path="/dev/kfd", gid=109, mode=0o660)
NVIDIA_HOST = model.Host(gpus=(nvidia(0), nvidia(1)), engine=engine())
AMD_HOST = model.Host(gpus=(amd(0), amd(1)), nodes=(KFD,), engine=engine())


def with_cdi(host: model.Host, *cdi: str, name: Literal["docker", "podman"] = "docker") -> model.Host:
    return model.Host(gpus=host.gpus, nodes=host.nodes, engine=engine(*cdi, name=name))


@pytest.mark.parametrize("vendor", [model.Vendor.CPU, model.Vendor.AUTO])
def test_no_gpu_is_asked_for(vendor: model.Vendor) -> None:
    assert device_access(NVIDIA_HOST, vendor).method == "none"


@pytest.mark.parametrize("vendor", [CUDA, ROCM])
def test_a_host_without_that_vendor(vendor: model.Vendor) -> None:
    access = device_access(model.Host(engine=engine("nvidia.com/gpu=all", "amd.com/gpu=all")), vendor)
    assert (access.method, access.cdi, access.nodes, access.runtime_ids) == ("none", (), (), ())


def test_nvidia_by_the_runtime_request_also_when_no_toolkit_is_known() -> None:
    access = device_access(NVIDIA_HOST, CUDA)
    assert (access.method, access.runtime_ids, access.cdi) == ("nvidia-runtime", ("all",), ())


@pytest.mark.parametrize("gpus", ["1", "GPU-aaaa-1", " gpu-AAAA-1 ", "1,GPU-aaaa-1"])
def test_nvidia_one_gpu_by_index_or_uuid(gpus: str) -> None:
    assert device_access(NVIDIA_HOST, CUDA, gpus).runtime_ids == ("GPU-aaaa-1",)


def test_nvidia_without_uuids_goes_by_index() -> None:
    host = model.Host(gpus=(model.Gpu(vendor="nvidia"), model.Gpu(vendor="nvidia")))
    assert device_access(host, CUDA, "1").runtime_ids == ("1",)


@pytest.mark.parametrize(
    ("gpus", "names"),
    [
        ("all", ("nvidia.com/gpu=all",)),
        ("0", ("nvidia.com/gpu=0",)),
        ("GPU-aaaa-1,0", ("nvidia.com/gpu=GPU-aaaa-1", "nvidia.com/gpu=0")),
    ],
)
def test_cdi_where_the_engine_offers_it(gpus: str, names: tuple[str, ...]) -> None:
    offered = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=GPU-aaaa-1", "nvidia.com/gpu=all")
    access = device_access(with_cdi(NVIDIA_HOST, *offered), CUDA, gpus)
    assert (access.method, access.cdi, access.runtime_ids) == ("cdi", names, ())


def test_cdi_of_another_vendor_is_not_taken() -> None:
    host = with_cdi(NVIDIA_HOST, "amd.com/gpu=all")
    assert device_access(host, CUDA).method == "nvidia-runtime"


def test_all_without_a_name_for_all_takes_each() -> None:
    host = with_cdi(NVIDIA_HOST, "nvidia.com/gpu=0", "nvidia.com/gpu=1")
    assert device_access(host, CUDA).cdi == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")


def test_a_spec_that_lacks_the_gpu_is_not_used() -> None:
    host = with_cdi(NVIDIA_HOST, "nvidia.com/gpu=0")
    assert device_access(host, CUDA, "1").runtime_ids == ("GPU-aaaa-1",)


def test_a_mig_slice_is_never_taken_for_the_whole_gpu_of_its_index() -> None:
    sliced = model.Host(gpus=(nvidia(0, partition="1g.10gb"),), engine=engine("nvidia.com/gpu=0"))
    access = device_access(sliced, CUDA, "0")
    assert (access.cdi, access.runtime_ids) == ((), ("MIG-aaaa-0",))


def test_podman_gets_nvidia_by_cdi_only() -> None:
    host = with_cdi(NVIDIA_HOST, name="podman")
    assert device_access(host, CUDA).cdi == ("nvidia.com/gpu=all",)
    assert device_access(host, CUDA, "1").cdi == ("nvidia.com/gpu=GPU-aaaa-1",)


def test_nvidia_on_wsl_without_a_listed_gpu() -> None:
    driver = model.Driver(vendor="nvidia", flavour="wsl")
    assert device_access(model.Host(wsl=True, drivers=(driver,)), CUDA).runtime_ids == ("all",)


def test_amd_by_nodes_with_the_hosts_numeric_groups() -> None:
    access = device_access(AMD_HOST, ROCM, "1")
    assert access.method == "device-nodes"
    assert access.nodes == ("/dev/kfd", "/dev/dri/renderD129")
    assert access.groups == (109, NODE_GID)


def test_amd_all_has_kfd_once() -> None:
    nodes = device_access(AMD_HOST, ROCM).nodes
    assert nodes == ("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129")


def test_amd_by_cdi_still_needs_the_groups() -> None:
    access = device_access(with_cdi(AMD_HOST, "amd.com/gpu=all", "amd.com/gpu=0"), ROCM)
    assert (access.method, access.cdi, access.nodes) == ("cdi", ("amd.com/gpu=all",), ())
    assert access.groups == (109, NODE_GID)


def test_nodes_that_everybody_may_open_need_no_group() -> None:
    open_node = model.DeviceNode(path="/dev/kfd", gid=0, mode=0o666)
    gpu = model.Gpu(vendor="amd", nodes=(model.DeviceNode(path="/dev/dri/renderD128", gid=7, mode=0o666),))
    assert device_access(model.Host(gpus=(gpu,), nodes=(open_node,)), ROCM).groups == ()


def test_amd_on_wsl_goes_through_dxg() -> None:
    access = device_access(model.Host(wsl=True, gpus=(model.Gpu(vendor="amd"),)), ROCM)
    assert (access.method, access.nodes) == ("wsl", ("/dev/dxg",))
    # Beside the system's libraries: LD_LIBRARY_PATH is the image's own, and ROCm's wheels are found by it.
    assert set(access.mounts.values()) == {"/usr/lib/libdxcore.so", "/usr/lib/librocdxg.so"}
    assert access.env == {"HSA_ENABLE_DXG_DETECTION": "1"}


@pytest.mark.parametrize("gpus", ["2", "0,7", "GPU-zzzz", "", "0,", "-1", "all,0"])
def test_a_gpu_that_is_not_there_is_an_error_that_lists_what_is(gpus: str) -> None:
    with pytest.raises(UsageError) as caught:
        device_access(NVIDIA_HOST, CUDA, gpus)
    assert caught.value.code == "KGE-306"
    assert "0 = NVIDIA H100 GPU-aaaa-0; 1 = NVIDIA H100 GPU-aaaa-1" in caught.value.cause


def test_asking_for_one_where_there_is_none() -> None:
    with pytest.raises(UsageError, match="no AMD GPU '0'"):
        device_access(model.Host(), ROCM, "0")


HELD = model.Gpu(vendor="nvidia", name="GTX 970", pci="0000:01:00.0", usable=False, unusable="it is held by vfio-pci")


def test_a_gpu_that_nothing_drives_is_not_handed_in() -> None:
    host = model.Host(gpus=(HELD, nvidia(0)), engine=engine("nvidia.com/gpu=0", "nvidia.com/gpu=all"))
    assert device_access(host, CUDA).cdi == ("nvidia.com/gpu=all",)
    assert device_access(host, CUDA, "1").cdi == ("nvidia.com/gpu=0",)  # the toolkit does not count the other
    with pytest.raises(UsageError, match="cannot be used") as caught:
        device_access(host, CUDA, "0")
    assert "held by vfio-pci" in caught.value.cause


def test_a_host_of_unusable_gpus_is_one_without() -> None:
    assert device_access(model.Host(gpus=(HELD,), engine=engine()), CUDA).method == "none"


def test_a_number_for_the_runtime_does_not_count_what_nothing_drives() -> None:
    plain = model.Gpu(vendor="nvidia", pci="0000:02:00.0")
    assert device_access(model.Host(gpus=(HELD, plain)), CUDA, "1").runtime_ids == ("0",)


def test_the_integrated_gpu_beside_a_card_is_not_handed_in() -> None:
    card, small = amd(1), msgspec.structs.replace(amd(0), integrated=True)
    host = model.Host(gpus=(small, card), nodes=(KFD,), engine=engine("amd.com/gpu=all"))
    access = device_access(host, ROCM)
    assert (access.cdi, access.nodes) == ((), ("/dev/kfd", "/dev/dri/renderD129"))
    assert device_access(host, ROCM, "0,1").nodes == ("/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129")


def test_partitions_that_share_a_uuid_go_by_number() -> None:
    parts = tuple(msgspec.structs.replace(amd(n), uuid="GPU-1", partition="CPX", kfd_node=n + 1) for n in range(2))
    host = model.Host(gpus=parts, nodes=(KFD,), engine=engine("amd.com/gpu=GPU-1", "amd.com/gpu=0", "amd.com/gpu=1"))
    assert device_access(host, ROCM, "1").cdi == ("amd.com/gpu=1",)
