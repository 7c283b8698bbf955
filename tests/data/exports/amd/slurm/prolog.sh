#!/bin/sh
# ROCm 10.0.0, TensorFlow 2.21, Python 3.12 (rocm/tensorflow:rocm10.0-ubuntu24.04-py3.12-tf2.21). Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# Slurm's Prolog: no job with a GPU starts on a node whose proof does not hold. Where it fails, Slurm itself drains the node
# and puts the job back into the queue; it calls none of Slurm's own commands, which a prolog must not.
UNKNOWN=${KGPU_ENV_SLURM_UNKNOWN:-start} # or refuse: where the gate gives no answer (no engine, no kgpu-env, too late)
unset KGPU_ENV_SLURM_UNKNOWN
IMAGE=kgpu-env/rocm:tf2.21-rocm10.0.0-py3.12
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}" # Slurm gives its scripts none

[ -n "${SLURM_JOB_GPUS:-}" ] || exit 0
unset HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES GPU_DEVICE_ORDINAL # the proof is of all of the node's GPUs
answer=$(timeout 45 kgpu-env gate "$IMAGE" 2>&1)
status=$?
[ "$status" -ne 0 ] || exit 0
first=$(printf '%s\n' "$answer" | head -n 1)
logger -t kgpu-env -- "job ${SLURM_JOB_ID:-?}: $first" 2>/dev/null || echo "kgpu-env: $first" >&2
# Another status than 7: the gate itself failed, which tells nothing about the GPU.
[ "$status" -ne 7 ] && [ "$UNKNOWN" != refuse ] && exit 0
exit 1
