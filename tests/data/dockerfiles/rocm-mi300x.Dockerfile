# ROCm 10.0.0, TensorFlow 2.21, Python 3.12 (rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21)
# Written by kgpu-env 0.1.0; change the request and render it again rather than editing this file.

FROM rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:df8109e58f0c6c3beef4ad620e611b898892d08a50c7fd49a4a2ca9ba91e3b72"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.21\"},\"python\":\"3.12\",\"route\":\"image\",\"runtime\":{\"name\":\"rocm\",\"version\":\"10.0.0\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{},\"jit_compile\":\"auto\"},\"vendor\":\"rocm\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21"
LABEL org.opencontainers.image.description="ROCm 10.0.0, TensorFlow 2.21, Python 3.12 (rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21)"
LABEL org.opencontainers.image.title="Keras on rocm"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
