"""Where packages come from, as an installer is configured."""

from provision.model.base import Value


class IndexSettings(Value):
    """An installer's settings; empty fields mean its defaults."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()  # whose certificates are not looked at
    ca_bundle: str | None = None  # path on this host
    proxy: str | None = None


def merged(*layers: IndexSettings) -> IndexSettings:
    """Return for each setting that of the first layer that has one."""
    return IndexSettings(
        **{name: next(filter(None, (getattr(one, name) for one in layers)), default) for name, default in _DEFAULTS}
    )


_DEFAULTS = [(name, getattr(IndexSettings(), name)) for name in IndexSettings.__struct_fields__]
