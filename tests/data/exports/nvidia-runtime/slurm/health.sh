#!/bin/sh
# TensorFlow 2.21.0, CUDA 12.5.1, cuDNN 9.3.0.75, Python 3.11 on debian:bookworm-slim. Plan sha256:0000000000000000000000000000000000000000000000000000000000000000.
# Slurm's HealthCheckProgram: is this node's proof still true? It trains nothing, and answers in a second.
# It reports and changes nothing, until you set DRAIN=yes. Then a node whose proof does not hold is drained with our code
# as the reason, unless SHARE per cent of the cluster's nodes would be: then something else is wrong than the nodes.
# A node with a reason of somebody else is left to them. Only a node that kgpu-env drained is resumed, and only by a proof
# that is newer than the drain:
#   sudo kgpu-env verify kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11
DRAIN=${KGPU_ENV_SLURM_DRAIN:-no}
SHARE=${KGPU_ENV_SLURM_SHARE:-10}
IMAGE=kgpu-env/cuda:tf2.21.0-cuda12.5.1-py3.11
STATE=${KGPU_ENV_SLURM_STATE:-/var/lib/kgpu-env/slurm-drained}
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}" # Slurm gives its scripts none
unset KGPU_ENV_SLURM_DRAIN KGPU_ENV_SLURM_SHARE KGPU_ENV_SLURM_STATE

node=${SLURMD_NODENAME:-$(hostname -s)}
tell() { logger -t kgpu-env -- "$1" 2>/dev/null || echo "kgpu-env: $1" >&2; }
why() { sinfo --noheader --Node --nodes="$node" --format=%E | head -n 1; } # none: nobody has taken it out
field() { printf '%s\n' "$answer" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

answer=$(timeout 45 kgpu-env gate --json "$IMAGE" 2>/dev/null)
status=$?

if [ "$status" -eq 0 ]; then
  [ -e "$STATE" ] || exit 0
  drained=$(date -u -r "$STATE" +%Y-%m-%dT%H:%M:%SZ)
  newest=$(printf '%s\n%s\n' "$drained" "$(field at)" | LC_ALL=C sort | tail -n 1)
  [ "$newest" != "$drained" ] || { tell "$node stays drained: its proof is older than the drain"; exit 0; }
  [ "$DRAIN" = yes ] || { tell "$node is proved again; DRAIN is off, so it is not resumed"; exit 0; }
  case $(why) in
    kgpu-env*) scontrol update nodename="$node" state=resume && rm -f "$STATE" && tell "$node is proved again: resumed" ;;
    *) rm -f "$STATE" ;; # somebody else has taken it over
  esac
  exit 0
fi

# 7: not proved here and now. Anything else tells nothing about the GPU, and nothing is done.
[ "$status" -eq 7 ] || { tell "$node: the gate gave no answer (exit code $status)"; exit 0; }
reason="kgpu-env $(field code) $(field state)"
[ "$DRAIN" = yes ] || { tell "$node: $reason (reported only: DRAIN is off)"; exit 0; }
[ ! -e "$STATE" ] || exit 0 # drained already
theirs=$(why)
case $theirs in
  none) ;;
  kgpu-env*) mkdir -p "${STATE%/*}" && : >"$STATE"; exit 0 ;; # out already, by kgpu-env fleet apply
  *) tell "$node: $reason; left to whoever gave it the reason '$theirs'"; exit 0 ;;
esac

too_many() { # would more than SHARE per cent of the nodes be drained by this script, this one among them?
  all=$(sinfo --noheader --Node --format=%N | sort -u | wc -l)
  ours=$(sinfo --noheader --Node --format='%N %E' | sort -u | grep -v "^$node " | grep -c '^[^ ]* kgpu-env')
  [ $(((ours + 1) * 100)) -gt $((all * SHARE)) ] && [ "$all" -gt 1 ]
}
refused() { tell "$node: $reason; not drained: with $ours of $all nodes drained already, more than $SHARE % would be"; }

if too_many; then refused; exit 0; fi
mkdir -p "${STATE%/*}" && : >"$STATE" && scontrol update nodename="$node" state=drain reason="$reason" || exit 0
# Many nodes may fail at the same moment, and none of them has seen the others before its own drain.
if too_many; then
  scontrol update nodename="$node" state=resume && rm -f "$STATE" && refused
else
  tell "$node: $reason: drained"
fi
exit 0
