# ROCm 7.2, TensorFlow 2.20, Python 3.12 (rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev)
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

FROM rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:be0f5bfa4dbe36f4f1f6d1362aec5e1a1b000231028d92b4e498cd7ff67fc5d6"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.20\"},\"python\":\"3.12\",\"route\":\"image\",\"runtime\":{\"name\":\"rocm\",\"version\":\"7.2\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev"
LABEL org.opencontainers.image.description="ROCm 7.2, TensorFlow 2.20, Python 3.12 (rocm/tensorflow:rocm7.2-py3.12-tf2.20-dev)"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
