# ROCm 7.2, TensorFlow 2.19, Python 3.12 (rocm/dev-ubuntu-24.04:7.2.4-complete)
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

# uv installs the environment and stays out of the image.
FROM rocm/dev-ubuntu-24.04:7.2.4-complete AS tools
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install uv==0.13.9

FROM rocm/dev-ubuntu-24.04:7.2.4-complete
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
      --find-links https://repo.radeon.com/rocm/manylinux/rocm-rel-7.2/ \
      tensorflow-rocm==2.19.1 \
 && rm -rf /opt/venv/lib/python3.12/site-packages/tensorflow/include /opt/venv/lib/python3.12/site-packages/nvidia/*/include \
 && find /opt/venv/lib/python3.12/site-packages -name '*.a' -delete \
 && /opt/uv/bin/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH

# The constraints keep these from replacing the framework.
RUN --mount=type=cache,target=/root/.cache/uv,sharing=locked \
    --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    /opt/uv/bin/uv pip install --python /opt/venv/bin/python --link-mode copy --no-progress \
      --constraint /opt/venv/constraints.txt \
      pandas

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:228287439bc78fec0ac9ff3b190c9381663e972243ac4dce288e84818e7a5e74"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"rocm/dev-ubuntu-24.04:7.2.4-complete\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.19\"},\"gpus\":[\"gfx942\"],\"python\":\"3.12\",\"route\":\"image\",\"runtime\":{\"name\":\"rocm\",\"version\":\"7.2\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="rocm/dev-ubuntu-24.04:7.2.4-complete"
LABEL org.opencontainers.image.description="ROCm 7.2, TensorFlow 2.19, Python 3.12 (rocm/dev-ubuntu-24.04:7.2.4-complete)"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
