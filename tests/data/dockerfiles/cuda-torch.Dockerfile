# Keras on torch 2.0.1, CUDA 11.7.1, cuDNN 8.5.0.96, Python 3.11 on debian:bookworm-slim
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

# uv installs the environment and stays out of the image.
FROM debian:bookworm-slim AS tools
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install uv==0.13.9

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates \
      python3 \
 && rm -rf /var/lib/apt/lists/*

# Below /dev lies what the build needs and the image does not keep. What changes seldom comes first. Left out is what
# no framework loads (images/contents.yaml); the one date makes the same wheels the same bytes.

# The framework and what it needs.
RUN --mount=type=bind,from=tools,source=/opt/uv/bin,target=/dev/uv \
    export HOME=/dev/shm PYC_INVALIDATION_MODE=CHECKED_HASH UV_CACHE_DIR=/opt/venv/.cache UV_LINK_MODE=hardlink \
 && /dev/uv/uv venv --python "$(command -v python3)" --no-python-downloads --allow-existing /opt/venv \
 && mkdir /opt/venv/requirements \
 && printf '%s\n' \
      torch==2.0.1 \
      nvidia-cublas-cu11==11.10.3.66 \
      nvidia-cuda-cupti-cu11==11.7.101 \
      nvidia-cuda-nvrtc-cu11==11.7.99 \
      nvidia-cuda-runtime-cu11==11.7.99 \
      nvidia-cufft-cu11==10.9.0.58 \
      nvidia-curand-cu11==10.2.10.91 \
      nvidia-cusolver-cu11==11.4.0.1 \
      nvidia-cusparse-cu11==11.7.4.91 \
      nvidia-nvtx-cu11==11.7.91 \
      nvidia-cudnn-cu11==8.5.0.96 \
      nvidia-nccl-cu11==2.14.3 \
      keras==3.1.1 \
      'numpy<2' \
      > /opt/venv/requirements/framework.txt \
 && /dev/uv/uv pip install --python /opt/venv/bin/python --no-progress --compile-bytecode \
      --requirement /opt/venv/requirements/framework.txt \
 && rm -rf \
      /opt/venv/lib/python3.11/site-packages/nvidia/*/include \
      /opt/venv/lib/python3.11/site-packages/tensorflow/include \
      /opt/venv/lib/python3.11/site-packages/nvidia/*/lib/*.a \
      /opt/venv/lib/python3.11/site-packages/nvidia/cublas/lib/libnvblas.so* \
      /opt/venv/lib/python3.11/site-packages/nvidia/cufft/lib/libcufftw.so* \
      /opt/venv/lib/python3.11/site-packages/numpy/tests \
      /opt/venv/lib/python3.11/site-packages/numpy/*/tests \
      /opt/venv/lib/python3.11/site-packages/nvidia/cuda_cupti/lib/libcheckpoint.so* \
      /opt/venv/lib/python3.11/site-packages/nvidia/cuda_cupti/lib/libpcsamplingutil.so* \
 && /dev/uv/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt \
 && rm -rf /opt/venv/.cache \
 && find /opt/venv -newermt 1980-01-02 -exec touch -h -d 1980-01-01T00:00:00Z {} + \
 && { sync --file-system /opt/venv & } \
 && PYTHONDONTWRITEBYTECODE=1 KERAS_BACKEND=torch /opt/venv/bin/python -c 'import keras' \
 && wait \
 && touch -d 1980-01-01T00:00:00Z / /etc /opt /tmp
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Without it Keras looks for TensorFlow, which is not here.
ENV KERAS_BACKEND=torch
# What the NVIDIA container runtime brings in. CUDA_VERSION is left unset: it would mark a legacy image.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:c7b4c5bcf55ef7ab8c08baf35ce0d4cabbff7951a4e67c611d9c2ee68169bd6f"
LABEL io.kgpu-env.stack="{\"backend\":\"torch\",\"base\":{\"digest\":null,\"image\":\"debian:bookworm-slim\"},\"framework\":{\"name\":\"torch\",\"version\":\"2.0.1\"},\"python\":\"3.11\",\"route\":\"wheels\",\"runtime\":{\"name\":\"cuda\",\"version\":\"11.7.1\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"cuda\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="debian:bookworm-slim"
LABEL org.opencontainers.image.description="Keras on torch 2.0.1, CUDA 11.7.1, cuDNN 8.5.0.96, Python 3.11 on debian:bookworm-slim"
LABEL org.opencontainers.image.title="Keras on cuda"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
