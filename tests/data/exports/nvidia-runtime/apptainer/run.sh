#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:b320841b3ec571b88e539f816f221ed1247b5c9c5aa2d38cd657c4047bc92bf7.
# sh run.sh python3 train.py     sh run.sh /opt/venv/bin/python /opt/kgpu-env/quick_check.py --expect=gpu --jit=auto
[ -e keras.sif ] || apptainer build keras.sif keras.def || exit
apptainer exec --nv --cleanenv --bind="$PWD":/work --pwd=/work keras.sif "$@"
