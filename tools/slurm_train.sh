#!/usr/bin/env bash
# Train on a Slurm cluster: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS may be set.
set -euo pipefail
USAGE="usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [options]"
PARTITION=${1:?$USAGE}
JOB_NAME=${2:?$USAGE}
CONFIG=${3:?$USAGE}
WORK_DIR=${4:?$USAGE}

# shellcheck disable=SC2086  # SRUN_ARGS is several arguments
exec srun -p "$PARTITION" \
    --job-name="$JOB_NAME" \
    --gres="gpu:${GPUS_PER_NODE:-8}" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="${GPUS_PER_NODE:-8}" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/train.py" "$CONFIG" --work-dir="$WORK_DIR" --launcher=slurm "${@:5}"
