#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:b320841b3ec571b88e539f816f221ed1247b5c9c5aa2d38cd657c4047bc92bf7.
# The GPUs come by the NVIDIA container runtime.
# sh run.sh python3 train.py
docker run --rm --init \
  --gpus=all \
  --shm-size=1g \
  --pids-limit=4096 \
  --cap-drop=ALL \
  --security-opt=no-new-privileges \
  --user=1000055:1000055 \
  --volume="$PWD":/work \
  --workdir=/work \
  kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11 "$@"
