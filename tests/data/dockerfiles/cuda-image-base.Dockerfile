# TensorFlow 2.21.0, CUDA 12.6.3, cuDNN 9.5.1.17, Python 3.12 on nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

# uv installs the environment and stays out of the image.
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 AS tools
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install uv==0.13.9

FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates \
      python3 \
 && rm -rf /var/lib/apt/lists/*

# The framework and the CUDA libraries it was built with, at exact versions.
# C++ headers and static libraries serve no training and are left out.
# Imported once here, it leaves its compiled modules in the image, where the user could not write them.
RUN --mount=type=cache,target=/root/.cache/uv,sharing=locked \
    --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv venv --python "$(command -v python3)" --no-python-downloads /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --link-mode copy --no-progress \
      tensorflow==2.21.0 \
      'keras>=3.12.0' \
      'numpy>=1.26' \
      nvidia-cuda-nvcc-cu12==12.5.82 \
 && rm -rf /opt/venv/lib/python3.12/site-packages/tensorflow/include /opt/venv/lib/python3.12/site-packages/nvidia/*/include \
 && find /opt/venv/lib/python3.12/site-packages -name '*.a' -delete \
 && /opt/venv/bin/python -c 'import tensorflow' \
 && /opt/uv/bin/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:7ff246a75971730e395e4ba552e8f58bbb0091dd92a962c8bb4dfebe8bc895d1"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.21.0\"},\"gpus\":[\"sm_90\"],\"python\":\"3.12\",\"route\":\"image\",\"runtime\":{\"name\":\"cuda\",\"version\":\"12.6.3\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"cuda\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
LABEL org.opencontainers.image.description="TensorFlow 2.21.0, CUDA 12.6.3, cuDNN 9.5.1.17, Python 3.12 on nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
LABEL org.opencontainers.image.title="Keras on cuda"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
