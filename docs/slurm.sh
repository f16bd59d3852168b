#!/bin/bash
# Train one network on several machines of a Slurm cluster: sbatch slurm.sh
#SBATCH --job-name=chargen
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=02:00:00
#SBATCH --signal=TERM@120
# Two minutes before its time is over, Slurm sends SIGTERM: chargen then saves and ends.
set -euo pipefail

CORPUS=${CORPUS:-/shared/corpus}
OUT=${OUT:-/shared/checkpoints}
NAME=${NAME:-large}
GPUS=${SLURM_GPUS_ON_NODE:-8}

export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# The same script, sent once more, goes on where the last job stopped.
resume=()
if [ -e "$OUT/$NAME/last.safetensors" ]; then
    resume=(--resume)
fi

exec srun torchrun \
    --nnodes "$SLURM_NNODES" --nproc-per-node "$GPUS" --max-restarts 3 \
    --rdzv-backend c10d --rdzv-endpoint "$first:29500" --rdzv-id "$SLURM_JOB_ID" \
    -m chargen train "$CORPUS" --name "$NAME" --out "$OUT" "${resume[@]}" \
    --hidden 1024 --layers 3 --batch 1024 --epochs 2
