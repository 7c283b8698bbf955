# Keras on JAX 0.12.0.1, CUDA 13.0.2, cuDNN 9.28.0.42, Python 3.13 on debian:trixie-slim
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

# uv installs the environment and stays out of the image.
FROM debian:trixie-slim AS tools
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install uv==0.13.9

FROM debian:trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates \
      python3 \
 && rm -rf /var/lib/apt/lists/*

# The framework and the CUDA libraries it goes with, at exact versions.
# C++ headers and static libraries serve no training and are left out.
# Imported once here, it leaves its compiled modules in the image, where the user could not write them.
RUN --mount=type=cache,target=/root/.cache/uv,sharing=locked \
    --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv venv --python "$(command -v python3)" --no-python-downloads /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --link-mode copy --no-progress \
      jax==0.12.0.1 \
      jaxlib==0.12.0.1 \
      jax-cuda13-plugin==0.12.0.1 \
      jax-cuda13-pjrt==0.12.0.1 \
      nvidia-cublas==13.1.0.3 \
      nvidia-cuda-crt==13.0.88 \
      nvidia-cuda-cupti==13.0.85 \
      nvidia-cuda-nvcc==13.0.88 \
      nvidia-cuda-nvrtc==13.0.88 \
      nvidia-cuda-runtime==13.0.96 \
      nvidia-cufft==12.0.0.61 \
      nvidia-cusolver==12.0.4.66 \
      nvidia-cusparse==12.6.3.3 \
      nvidia-nvjitlink==13.0.88 \
      nvidia-nvvm==13.0.88 \
      nvidia-cudnn-cu13==9.28.0.42 \
      nvidia-nccl-cu13==2.28.9 \
      nvidia-nvshmem-cu13==3.4.5 \
      'keras>=3.15.1,<3.16' \
 && rm -rf /opt/venv/lib/python3.13/site-packages/tensorflow/include /opt/venv/lib/python3.13/site-packages/nvidia/*/include \
 && find /opt/venv/lib/python3.13/site-packages -name '*.a' -delete \
 && KERAS_BACKEND=jax /opt/venv/bin/python -c 'import keras' \
 && /opt/uv/bin/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Without it Keras looks for TensorFlow, which is not here.
ENV KERAS_BACKEND=jax
# What the NVIDIA container runtime brings in. CUDA_VERSION is left unset: it would mark a legacy image.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:ef50690159aa10f89e01a8123ad371cfe59b9c0e5aa4e98a05e3acd5513a92d4"
LABEL io.kgpu-env.stack="{\"backend\":\"jax\",\"base\":{\"digest\":null,\"image\":\"debian:trixie-slim\"},\"framework\":{\"name\":\"jax\",\"version\":\"0.12.0.1\"},\"gpus\":[\"sm_90\"],\"python\":\"3.13\",\"route\":\"wheels\",\"runtime\":{\"name\":\"cuda\",\"version\":\"13.0.2\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"cuda\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="debian:trixie-slim"
LABEL org.opencontainers.image.description="Keras on JAX 0.12.0.1, CUDA 13.0.2, cuDNN 9.28.0.42, Python 3.13 on debian:trixie-slim"
LABEL org.opencontainers.image.title="Keras on cuda"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
