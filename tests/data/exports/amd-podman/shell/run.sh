#!/bin/sh
# ROCm 10.0.0, TensorFlow 2.21, Python 3.12 (rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21). Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# The GPUs come by their CDI names, which the engine knows.
# sh run.sh python3 train.py
mkdir -p "$HOME/.cache/kgpu-env-containers" || exit
terminal=$([ -t 0 ] && [ -t 1 ] && echo --tty)
podman run --rm --init --interactive $terminal \
  --device=amd.com/gpu=all \
  --group-add=109 \
  --shm-size=1g \
  --pids-limit=4096 \
  --cap-drop=ALL \
  --security-opt=no-new-privileges \
  --user="$(id -u):$(id -g)" \
  --env=XDG_CACHE_HOME=/caches \
  --env=KERAS_HOME=/caches/keras \
  --env=MIOPEN_USER_DB_PATH=/caches/miopen \
  --env=MIOPEN_CUSTOM_CACHE_DIR=/caches/miopen \
  --env=HOME=/tmp \
  --env=USER=keras \
  --env=LOGNAME=keras \
  --volume="$HOME/.cache/kgpu-env-containers":/caches \
  --volume="$PWD":/work \
  --workdir=/work \
  kgpu-env/rocm:tf2.21-rocm10.0.0-py3.12 "$@"
