#!/bin/sh
# TensorFlow 2.21.0 for the CPU, Python 3.11 on debian:bookworm-slim. Plan sha256:02afcde506ebae9a37c3126cf2c7dd4f6746a37cd7e22ad41fb7c0563c141798.
# sh run.sh python3 train.py     sh run.sh /opt/venv/bin/python /opt/kgpu-env/quick_check.py --expect=cpu --jit=auto
[ -e keras.sif ] || apptainer build keras.sif keras.def || exit
apptainer exec --cleanenv --bind="$PWD":/work --pwd=/work keras.sif "$@"
