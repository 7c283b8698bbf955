#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
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
