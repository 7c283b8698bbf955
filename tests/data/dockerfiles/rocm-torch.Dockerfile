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

# The framework and ROCm's libraries for these GPUs.
# C++ headers and static libraries serve no training and are left out.
RUN --mount=type=cache,target=/root/.cache/uv,sharing=locked \
    --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv venv --python "$(command -v python3)" --no-python-downloads /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --link-mode copy --no-progress \
      --index https://stable.repo.amd.com/rocm/whl-next/ \
      --index-strategy unsafe-best-match \
      'torch[device-gfx1151]==2.13.0+rocm10.0.0' \
      'keras>=3.15.1,<3.16' \
 && rm -rf /opt/venv/lib/python3.12/site-packages/tensorflow/include /opt/venv/lib/python3.12/site-packages/nvidia/*/include \
 && find /opt/venv/lib/python3.12/site-packages -name '*.a' -delete \
 && /opt/uv/bin/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Without it Keras looks for TensorFlow, which is not here.
ENV KERAS_BACKEND=torch

ENV LD_LIBRARY_PATH="/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib/rocm_sysdeps/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_libraries/lib"

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:4f166865e17c1c8a8a248e561b4582f1c7222cc66af239121d10d8444576b39c"
LABEL io.kgpu-env.stack="{\"backend\":\"torch\",\"base\":{\"digest\":null,\"image\":\"ubuntu:24.04\"},\"framework\":{\"name\":\"torch\",\"version\":\"2.13.0\"},\"gpus\":[\"gfx1151\"],\"python\":\"3.12\",\"route\":\"wheels\",\"runtime\":{\"name\":\"rocm\",\"version\":\"10.0.0\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{\"LD_LIBRARY_PATH\":\"/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_core/lib/rocm_sysdeps/lib:/opt/venv/lib/python3.12/site-packages/_rocm_sdk_libraries/lib\"},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="ubuntu:24.04"
LABEL org.opencontainers.image.description="ROCm 10.0.0, Keras on torch 2.13.0, Python 3.12 on ubuntu:24.04"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
