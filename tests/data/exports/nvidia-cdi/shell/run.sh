#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# The GPUs come by their CDI names, which the engine knows.
# sh run.sh python3 train.py
mkdir -p "$HOME/.cache/kgpu-env-containers" || exit
terminal=$([ -t 0 ] && [ -t 1 ] && echo --tty)
docker run --rm --init --interactive $terminal \
  --device=nvidia.com/gpu=all \
  --shm-size=1g \
  --pids-limit=4096 \
  --cap-drop=ALL \
  --security-opt=no-new-privileges \
  --user="$(id -u):$(id -g)" \
  --env=XDG_CACHE_HOME=/caches \
  --env=KERAS_HOME=/caches/keras \
  --env=CUDA_CACHE_PATH=/caches/cuda \
  --env=HOME=/tmp \
  --env=USER=keras \
  --env=LOGNAME=keras \
  --volume="$HOME/.cache/kgpu-env-containers":/caches \
  --volume="$PWD":/work \
  --workdir=/work \
  kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11 "$@"
