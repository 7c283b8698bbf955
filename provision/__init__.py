"""Containerized Keras environments for CUDA and ROCm hosts, with a proof that the GPU is used."""

__version__ = "0.1.0"
