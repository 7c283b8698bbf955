#!/bin/sh
# ROCm 10.0.0, TensorFlow 2.21, Python 3.12 (rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21). Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# sh run.sh python3 train.py     sh run.sh /usr/bin/python3 /opt/kgpu-env/quick_check.py --expect=gpu --jit=auto
[ -e keras.sif ] || apptainer build keras.sif keras.def || exit
apptainer exec --rocm --cleanenv --bind="$PWD":/work --pwd=/work keras.sif "$@"
