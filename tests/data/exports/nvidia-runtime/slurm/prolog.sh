#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# Slurm's Prolog: no job with a GPU starts on a node whose proof does not hold. Where it fails, Slurm itself drains the node
# and puts the job back into the queue; it calls none of Slurm's own commands, which a prolog must not.
UNKNOWN=${KGPU_ENV_SLURM_UNKNOWN:-start} # or refuse: where the gate gives no answer (no engine, no kgpu-env, too late)
unset KGPU_ENV_SLURM_UNKNOWN
IMAGE=kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}" # Slurm gives its scripts none

[ -n "${SLURM_JOB_GPUS:-}" ] || exit 0
unset CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES # the proof is of all of the node's GPUs
answer=$(timeout 45 kgpu-env gate "$IMAGE" 2>&1)
status=$?
[ "$status" -ne 0 ] || exit 0
first=$(printf '%s\n' "$answer" | head -n 1)
logger -t kgpu-env -- "job ${SLURM_JOB_ID:-?}: $first" 2>/dev/null || echo "kgpu-env: $first" >&2
# Another status than 7: the gate itself failed, which tells nothing about the GPU.
[ "$status" -ne 7 ] && [ "$UNKNOWN" != refuse ] && exit 0
exit 1
