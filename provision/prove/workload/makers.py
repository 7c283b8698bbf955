"""What the workload asks of each maker. Written by tests/regenerate.py from the table of vendors."""

from __future__ import annotations

from typing import Any

# fmt: off
MAKERS: dict[str, dict[str, Any]] = {
    "cuda": {
        "nodes": [
            "/dev/nvidia*",
            "/dev/nvidiactl",
            "/dev/nvidia-uvm",
            "/dev/nvidia-uvm-tools"
        ],
        "settings": [
            "CUDA_VISIBLE_DEVICES",
            "CUDA_DEVICE_ORDER",
            "NVIDIA_VISIBLE_DEVICES",
            "NVIDIA_DRIVER_CAPABILITIES"
        ],
        "library": "libcuda.so",
        "library_files": [
            "libcuda.so.1"
        ],
        "library_calls": "cu",
        "build_key": "is_cuda_build",
        "torch_version": "cuda"
    },
    "rocm": {
        "nodes": [
            "/dev/dri/renderD*",
            "/dev/kfd"
        ],
        "settings": [
            "HIP_VISIBLE_DEVICES",
            "ROCR_VISIBLE_DEVICES",
            "AMD_VISIBLE_DEVICES",
            "GPU_DEVICE_ORDINAL",
            "HSA_OVERRIDE"
        ],
        "library": "libamdhip64",
        "library_files": [
            "libamdhip64.so",
            "libamdhip64.so.7",
            "libamdhip64.so.6",
            "libamdhip64.so.5"
        ],
        "library_calls": "hip",
        "build_key": "is_rocm_build",
        "torch_version": "hip"
    }
}
