# ROCm 7.2, TensorFlow 2.20, Python 3.12 (rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev)
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

FROM rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev

# The base brings TensorFlow: the constraints keep these packages from replacing it.
# hadolint ignore=DL3042
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    python3 -m pip list --format=freeze > /tmp/constraints.txt \
 && PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --constraint /tmp/constraints.txt \
      pandas \
 && rm /tmp/constraints.txt

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:5ee1388cce2efd22a6aaf54ede4bf0d0747ce65dbd897b6bc2adf25f163c19af"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.20\"},\"python\":\"3.12\",\"route\":\"image\",\"runtime\":{\"name\":\"rocm\",\"version\":\"7.2\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev"
LABEL org.opencontainers.image.description="ROCm 7.2, TensorFlow 2.20, Python 3.12 (rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev)"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
