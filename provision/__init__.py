"""Containerized Keras environments for CUDA and ROCm hosts, with a proof that the GPU is used.

    from provision import api

    host = api.probe_host()
    stack = api.resolve(host)
    result = api.build(stack)
    proof = api.verify(result.tag, host=host)

The values are those of `provision.model`, the errors those of `provision.errors`.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
