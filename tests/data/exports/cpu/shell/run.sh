#!/bin/sh
# TensorFlow 2.21.0 for the CPU, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# No GPU: there is none for this stack on the host that this was written for.
# sh run.sh python3 train.py
docker run --rm --init \
  --shm-size=1g \
  --pids-limit=4096 \
  --cap-drop=ALL \
  --security-opt=no-new-privileges \
  --user=1000:1000 \
  --volume="$PWD":/work \
  --workdir=/work \
  kgpu-env/cpu:tf2.21.0-py3.11 "$@"
