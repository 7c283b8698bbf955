# Keras on torch 2.13.0 for the CPU, Python 3.13 on debian:trixie-slim
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

# The framework.
# C++ headers and static libraries serve no training and are left out.
# Imported once here, it leaves its compiled modules in the image, where the user could not write them.
RUN --mount=type=cache,target=/root/.cache/uv,sharing=locked \
    --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv venv --python "$(command -v python3)" --no-python-downloads /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --link-mode copy --no-progress \
      --index https://download.pytorch.org/whl/cpu \
      --index-strategy unsafe-best-match \
      torch==2.13.0+cpu \
      'keras>=3.15.1,<3.16' \
 && rm -rf /opt/venv/lib/python3.13/site-packages/tensorflow/include /opt/venv/lib/python3.13/site-packages/nvidia/*/include \
 && find /opt/venv/lib/python3.13/site-packages -name '*.a' -delete \
 && KERAS_BACKEND=torch /opt/venv/bin/python -c 'import keras' \
 && /opt/uv/bin/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# Without it Keras looks for TensorFlow, which is not here.
ENV KERAS_BACKEND=torch

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:76cab095acf187a5c0b3f6e1679040c835d902ce67299350021ece8c703b4a96"
LABEL io.kgpu-env.stack="{\"backend\":\"torch\",\"base\":{\"digest\":null,\"image\":\"debian:trixie-slim\"},\"framework\":{\"name\":\"torch\",\"version\":\"2.13.0\"},\"gpus\":[],\"python\":\"3.13\",\"route\":\"wheels\",\"runtime\":{\"name\":\"cpu\",\"version\":\"x86_64\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"cpu\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="debian:trixie-slim"
LABEL org.opencontainers.image.description="Keras on torch 2.13.0 for the CPU, Python 3.13 on debian:trixie-slim"
LABEL org.opencontainers.image.title="Keras on cpu"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
