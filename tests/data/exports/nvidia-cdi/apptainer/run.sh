#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:7d4fc010130fd1c8c11594174da1c11e8a1fe6b2374c6b35e6abe2f88a9992e9.
# sh run.sh python3 train.py     sh run.sh /opt/venv/bin/python /opt/kgpu-env/quick_check.py --expect=gpu --jit=auto
[ -e keras.sif ] || apptainer build keras.sif keras.def || exit
apptainer exec --nv --cleanenv --bind="$PWD":/work --pwd=/work keras.sif "$@"
