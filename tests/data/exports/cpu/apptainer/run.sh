#!/bin/sh
# TensorFlow 2.21.0 for the CPU, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# sh run.sh python3 train.py     sh run.sh /opt/venv/bin/python /opt/kgpu-env/quick_check.py --expect=cpu --jit=auto
[ -e keras.sif ] || apptainer build keras.sif keras.def || exit
apptainer exec --cleanenv --bind="$PWD":/work --pwd=/work keras.sif "$@"
