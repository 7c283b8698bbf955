# ROCm 10.0.0, Keras on torch 2.13.0, Python 3.12 on ubuntu:24.04
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

# uv installs the environment and stays out of the image.
FROM ubuntu:24.04 AS tools
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install uv==0.13.9

FROM ubuntu:24.04
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
      'torch[device-gfx1151]==2.13.0+rocm10.0.0' \
      'keras>=3.15.1,<3.16' \
      > /opt/venv/requirements/framework.txt \
 && /dev/uv/uv pip install --python /opt/venv/bin/python --no-progress --compile-bytecode \
      --index https://stable.repo.amd.com/rocm/whl-next/ \
      --index-strategy unsafe-best-match \
      --requirement /opt/venv/requirements/framework.txt \
 && rm -rf \
      /opt/venv/lib/python3.12/site-packages/nvidia/*/include \
      /opt/venv/lib/python3.12/site-packages/tensorflow/include \
      /opt/venv/lib/python3.12/site-packages/nvidia/*/lib/*.a \
      /opt/venv/lib/python3.12/site-packages/nvidia/cublas/lib/libnvblas.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/cufft/lib/libcufftw.so* \
      /opt/venv/lib/python3.12/site-packages/numpy/tests \
      /opt/venv/lib/python3.12/site-packages/numpy/*/tests \
      /opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib/libcheckpoint.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib/libpcsamplingutil.so* \
 && /dev/uv/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt \
 && rm -rf /opt/venv/.cache \
 && find /opt/venv -newermt 1980-01-02 -exec touch -h -d 1980-01-01T00:00:00Z {} + \
 && touch -d 1980-01-01T00:00:00Z / /etc /opt /tmp
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Without it Keras looks for TensorFlow, which is not here.
ENV KERAS_BACKEND=torch

ENV LD_LIBRARY_PATH="/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib/rocm_sysdeps/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_libraries/lib"

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:ad886a8b1f5bc300ab77693274b2c5b7a4d695cff2471fe61d9161669474fc08"
LABEL io.kgpu-env.stack="{\"backend\":\"torch\",\"base\":{\"digest\":null,\"image\":\"ubuntu:24.04\"},\"framework\":{\"name\":\"torch\",\"version\":\"2.13.0\"},\"python\":\"3.12\",\"route\":\"wheels\",\"runtime\":{\"name\":\"rocm\",\"version\":\"10.0.0\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{\"LD_LIBRARY_PATH\":\"/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib/rocm_sysdeps/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_libraries/lib\"},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="ubuntu:24.04"
LABEL org.opencontainers.image.description="ROCm 10.0.0, Keras on torch 2.13.0, Python 3.12 on ubuntu:24.04"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
