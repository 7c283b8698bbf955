"""Texts of one machine made fit for others: without secrets, and with marks in place of names.

The only place that knows what a support archive must not hold; passwords in addresses are `provision.redaction`'s.
"""

import hashlib
import ipaddress
import re
import secrets
from collections.abc import Iterable
from typing import Final

from provision.redaction import HIDDEN, redacted

# Of whichever file or tool: NAME=value, "name": "value", Name: value; and what is a secret by its own form.
# No part without a limit before what decides: the time is that of the text's length.
_NAMED = re.compile(
    r"(?P<name>(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|authorization|\bauth)"
    r"[\w.-]{0,40}\\?[\"']?\s{0,8}[:=]\s{0,8})"
    r"(?P<value>\\?\"[^\"\n]*\"|'[^'\n]*'|(?:bearer |basic )?[^\s,;&}]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(?P<name>bearer|basic)\s+[\w+/.=~-]{8,}", re.IGNORECASE)
# A secret by its own form: how it begins, and its rest.
_FORMS: Final = {
    **dict.fromkeys(("AKIA", "ASIA"), r"[0-9A-Z]{16}\b"),
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "hf_"), r"\w{20,}"),
    **dict.fromkeys(("glpat-", "nvapi-"), r"[\w-]{16,}"),
    **dict.fromkeys(("xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"), r"[\w-]{8,}"),
    "eyJ": r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    "-----BEGIN ": r"[A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
}
_FORM = re.compile(rf"(?:\b|(?=-))(?:{'|'.join(begin + rest for begin, rest in _FORMS.items())})", re.DOTALL)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_MAC = re.compile(r"(?<![0-9a-f:])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![0-9a-f:])", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.=-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.-])")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:.])", re.IGNORECASE)
_SERIAL = re.compile(
    r"(?P<name>(?:serial(?:[ _-]?(?:number|no))?|unique_?id)[\"']?\s{0,40}[:= ]\s{0,8}[\"']?)(?P<value>\w{4,})",
    re.IGNORECASE,
)
_LONE = ("/unique_id", "/serial_number", "/machine-id", "/product_serial", "/product_uuid")  # files of nothing else
_OPEN: Final = {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::"}  # noqa: S104 - no address of anybody
# Names that a machine or a user may have, and that say nothing of either; in a text they mean something else.
_COMMON: Final = frozenset(
    (  # noqa: SIM905 - eighty words
        "localhost root admin user users video render docker podman nvidia amd amdgpu cuda rocm gpu host node ubuntu "
        "debian fedora rhel rocky almalinux centos arch linux server dev proc sys usr var etc run opt lib bin home tmp "
        "mnt srv boot none true false error warning driver kernel module device devices version"
    ).split()
)


class Names:
    """Makes texts of one machine fit for others: secrets are taken out, names become marks of the same form.

    The same name has the same mark in all texts of one `Names`, so that what belongs together is still seen; another
    `Names` gives other marks, so that none can be guessed by trying.
    """

    def __init__(self, hosts: Iterable[str] = (), users: Iterable[str] = (), *, keep: bool = False) -> None:
        """Know the names.

        Args:
            hosts: of the machine.
            users: who have a home there.
            keep: leave names, addresses, serial numbers and UUIDs as they are; secrets go all the same.
        """
        self._key = secrets.token_bytes(16)
        self._keep = keep
        self._words = {
            **dict.fromkeys(filter(_is_telling, users), "user"),
            **dict.fromkeys(filter(_is_telling, hosts), "host"),
        }
        words = sorted(self._words, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, words))})(?![\w-])") if words else None

    def text(self, text: str, path: str = "") -> str:
        """Return a text without secrets and, unless they are kept, without names; `path` is the file that it is of."""
        clean = redacted(text)
        if any(begin in clean for begin in _FORMS):  # most texts have none, which is seen in a hundredth of the time
            clean = _FORM.sub(HIDDEN, clean)
        clean = _BEARER.sub(rf"\g<name> {HIDDEN}", _NAMED.sub(rf"\g<name>{HIDDEN}", clean))
        if self._keep:
            return clean
        if path.endswith(_LONE):
            return _WORD.sub(lambda found: self._like(found[0]), clean)
        clean = _SERIAL.sub(lambda found: found["name"] + self._like(found["value"]), clean)
        clean = _UUID.sub(lambda found: self._like(found[0]), clean)
        clean = _MAC.sub(lambda found: self._like(found[0]), clean)
        clean = _IPV6.sub(self._address, _IPV4.sub(self._address, clean))
        return self._pattern.sub(self._word, clean) if self._pattern else clean

    def _word(self, found: re.Match[str]) -> str:
        return f"{self._words[found[0]]}-{self._digest(found[0])[:8]}"

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:  # a time, a version
            return found[0]
        return found[0] if str(address) in _OPEN else f"ip-{self._digest(str(address))[:8]}"

    def _like(self, value: str) -> str:
        """Return other digits of the same form: a number stays one, a UUID too."""
        digest = self._digest(value.lower())
        digits = iter(str(int(digest, 16)) if value.isdecimal() else digest * (len(value) // len(digest) + 1))
        return "".join(next(digits) if one.isalnum() else one for one in value)

    def _digest(self, value: str) -> str:
        return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._key).hexdigest()


_WORD = re.compile(r"\w{4,}")


def _is_telling(name: str) -> bool:
    return len(name) > 1 and name.lower() not in _COMMON and not name.isdecimal()
