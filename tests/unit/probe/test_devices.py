"""The table of NVIDIA's PCI device ids."""

import re
from pathlib import Path

import pytest
import yaml

CHIPS = yaml.load((Path(__file__).parents[3] / "images" / "nvidia_devices.yaml").read_text(), yaml.CSafeLoader)["chips"]


def test_device_ids_are_unique_and_quoted() -> None:
    devices = [device for chip in CHIPS for device in chip["devices"]]
    assert all(isinstance(device, str) and re.fullmatch(r"[0-9a-f]{4}", device) for device in devices)
    assert len(devices) == len(set(devices))
    assert all(isinstance(chip["capability"], str) and chip["source"] and chip["checked"] for chip in CHIPS)


@pytest.mark.parametrize(
    ("device", "capability"),
    [
        ("102d", "3.7"),
        ("13c2", "5.2"),
        ("15f8", "6.0"),
        ("1db6", "7.0"),
        ("1eb8", "7.5"),
        ("20b2", "8.0"),
        ("2204", "8.6"),
        ("2684", "8.9"),
        ("2330", "9.0"),
        ("2901", "10.0"),
        ("3182", "10.3"),
        ("2b85", "12.0"),
    ],
)
def test_well_known_devices(device: str, capability: str) -> None:
    """K80, GTX 970, P100, V100, T4, A100, RTX 3090, RTX 4090, H100, B200, B300, RTX 5090."""
    assert [chip["capability"] for chip in CHIPS if device in chip["devices"]] == [capability]
