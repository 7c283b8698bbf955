#!/bin/sh
# TensorFlow 2.21.0 for the CPU, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# No GPU: there is none for this stack on the host that this was written for.
# sh run.sh python3 train.py
mkdir -p "$HOME/.cache/kgpu-env-containers" || exit
terminal=$([ -t 0 ] && [ -t 1 ] && echo --tty)
docker run --rm --init --interactive $terminal \
  --shm-size=1g \
  --pids-limit=4096 \
  --cap-drop=ALL \
  --security-opt=no-new-privileges \
  --user="$(id -u):$(id -g)" \
  --env=XDG_CACHE_HOME=/caches \
  --env=KERAS_HOME=/caches/keras \
  --env=HOME=/tmp \
  --env=USER=keras \
  --env=LOGNAME=keras \
  --volume="$HOME/.cache/kgpu-env-containers":/caches \
  --volume="$PWD":/work \
  --workdir=/work \
  kgpu-env/cpu:tf2.21.0-py3.11 "$@"
