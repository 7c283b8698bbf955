# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.12 on ubuntu:24.04
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
      tensorflow==2.21.0 \
      'keras>=3.12.0' \
      'numpy>=1.26' \
      nvidia-cublas-cu12==12.5.3.2 \
      nvidia-cuda-cupti-cu12==12.5.82 \
      nvidia-cuda-nvcc-cu12==12.5.82 \
      nvidia-cuda-nvrtc-cu12==12.5.82 \
      nvidia-cuda-runtime-cu12==12.5.82 \
      nvidia-cufft-cu12==11.2.3.61 \
      nvidia-curand-cu12==10.3.6.82 \
      nvidia-cusolver-cu12==11.6.3.83 \
      nvidia-cusparse-cu12==12.5.1.3 \
      nvidia-nvjitlink-cu12==12.5.82 \
      nvidia-cudnn-cu12==9.3.0.75 \
      nvidia-nccl-cu12==2.27.7 \
      > /opt/venv/requirements/framework.txt \
 && /dev/uv/uv pip install --python /opt/venv/bin/python --no-progress --compile-bytecode \
      --requirement /opt/venv/requirements/framework.txt \
 && rm -rf \
      /opt/venv/lib/python3.12/site-packages/nvidia/*/include \
      /opt/venv/lib/python3.12/site-packages/tensorflow/include \
      /opt/venv/lib/python3.12/site-packages/nvidia/*/lib/*.a \
      /opt/venv/lib/python3.12/site-packages/nvidia/cublas/lib/libnvblas.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/cufft/lib/libcufftw.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/cusolver/lib/libcusolverMg.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/curand/lib/libcurand.so* \
      /opt/venv/lib/python3.12/site-packages/clang/native/libclang.so* \
      /opt/venv/lib/python3.12/site-packages/numpy/tests \
      /opt/venv/lib/python3.12/site-packages/numpy/*/tests \
      /opt/venv/lib/python3.12/site-packages/tensorflow/compiler/tf2xla/ops/_xla_ops.so \
      /opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib/libcheckpoint.so* \
      /opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib/libpcsamplingutil.so* \
 && printf '%s\n' \
      'import struct' \
      'import sys' \
      'from pathlib import Path' \
      'EMPTY, TABLE, NO_BITS = 0, 2, 8' \
      'for path in filter(Path.is_file, map(Path, sys.argv[1:])):' \
      '    with path.open("r+b") as file:' \
      '        head = file.read(64)' \
      '        if head[:6] != b"\x7fELF\x02\x01":' \
      '            continue' \
      '        segments_at, sections_at = struct.unpack_from("<2Q", head, 32)' \
      '        _, segments, _, sections, names = struct.unpack_from("<5H", head, 54)' \
      '        file.seek(segments_at)' \
      '        end = max(one[2] + one[5] for one in struct.iter_unpack("<2I6Q", file.read(56 * segments)))' \
      '        file.seek(sections_at)' \
      '        rows = [list(one) for one in struct.iter_unpack("<2I4Q2I2Q", file.read(64 * sections))]' \
      '        tables = {number for number, row in enumerate(rows) if row[1] == TABLE}' \
      '        gone = tables | {rows[number][6] for number in tables}' \
      '        others = {row[6] for number, row in enumerate(rows) if number not in gone} | {names}' \
      '        if not gone or gone & others or min(rows[number][4] for number in gone) < end:' \
      '            continue' \
      '        place = end' \
      '        for number in sorted(range(sections), key=lambda number: rows[number][4]):' \
      '            row = rows[number]' \
      '            if number in gone:' \
      '                rows[number] = [EMPTY] * 10' \
      '            elif row[4] >= end and row[1] not in {EMPTY, NO_BITS}:' \
      '                file.seek(row[4])' \
      '                content = file.read(row[5])' \
      '                place += -place % max(row[8], 1)' \
      '                row[4] = file.seek(place)' \
      '                place += file.write(content)' \
      '        place += -place % 8' \
      '        file.seek(place)' \
      '        file.write(b"".join(struct.pack("<2I4Q2I2Q", *row) for row in rows))' \
      '        file.truncate()' \
      '        file.seek(40)' \
      '        file.write(struct.pack("<Q", place))' \
      > /dev/shm/symbols.py \
 && /opt/venv/bin/python /dev/shm/symbols.py \
      /opt/venv/lib/python3.12/site-packages/tensorflow/libtensorflow_*.so* \
      /opt/venv/lib/python3.12/site-packages/tensorflow/python/*.so \
      /opt/venv/lib/python3.12/site-packages/tensorflow/python/*/*.so \
      /opt/venv/lib/python3.12/site-packages/tensorflow/python/*/*/*.so \
      /opt/venv/lib/python3.12/site-packages/tensorflow/compiler/*/*/*.so \
      /opt/venv/lib/python3.12/site-packages/tensorflow/lite/python/*.so \
 && /dev/uv/uv pip freeze --python /opt/venv/bin/python > /opt/venv/constraints.txt \
 && rm -rf /opt/venv/.cache \
 && find /opt/venv -newermt 1980-01-02 -exec touch -h -d 1980-01-01T00:00:00Z {} + \
 && { sync --file-system /opt/venv & } \
 && PYTHONDONTWRITEBYTECODE=1 /opt/venv/bin/python -c 'import tensorflow' \
 && wait \
 && touch -d 1980-01-01T00:00:00Z / /etc /opt /tmp
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
# What the NVIDIA container runtime brings in. CUDA_VERSION is left unset: it would mark a legacy image.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV LD_LIBRARY_PATH="/opt/venv/lib/python3.12/site-packages/nvidia/cublas/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_runtime/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cufft/lib:/opt/venv/lib/python3.12/site-packages/nvidia/curand/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cusolver/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cusparse/lib:/opt/venv/lib/python3.12/site-packages/nvidia/nvjitlink/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cudnn/lib:/opt/venv/lib/python3.12/site-packages/nvidia/nccl/lib"

ARG UID=1000
ARG GID=1000
RUN if old="$(getent passwd "${UID}")"; then userdel "${old%%:*}"; fi \
 && if ! getent group "${GID}" >/dev/null; then groupadd --gid "${GID}" keras; fi \
 && useradd --no-log-init --uid "${UID}" --gid "${GID}" --create-home --shell /bin/bash keras

LABEL io.kgpu-env.plan="sha256:7c4b543b064d9205e73a4c3194767911dfc5ba2378e529c8d1e3c1c91021c365"
LABEL io.kgpu-env.stack="{\"backend\":\"tensorflow\",\"base\":{\"digest\":null,\"image\":\"ubuntu:24.04\"},\"framework\":{\"name\":\"tensorflow\",\"version\":\"2.21.0\"},\"python\":\"3.12\",\"route\":\"wheels\",\"runtime\":{\"name\":\"cuda\",\"version\":\"12.5.1\"},\"schema\":\"kgpu-env/stack/1\",\"settings\":{\"env\":{\"LD_LIBRARY_PATH\":\"/opt/venv/lib/python3.12/site-packages/nvidia/cublas/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_cupti/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cuda_runtime/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cufft/lib:/opt/venv/lib/python3.12/site-packages/nvidia/curand/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cusolver/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cusparse/lib:/opt/venv/lib/python3.12/site-packages/nvidia/nvjitlink/lib:/opt/venv/lib/python3.12/site-packages/nvidia/cudnn/lib:/opt/venv/lib/python3.12/site-packages/nvidia/nccl/lib\"},\"jit_compile\":\"auto\"},\"vendor\":\"cuda\"}"
LABEL io.kgpu-env.version="0.1.0"
LABEL org.opencontainers.image.base.name="ubuntu:24.04"
LABEL org.opencontainers.image.description="TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.12 on ubuntu:24.04"
LABEL org.opencontainers.image.title="Keras on cuda"
WORKDIR /home/keras
USER ${UID}:${GID}
CMD ["python3"]
