#!/bin/bash
# sbatch docs/cluster/slurm.sh reproductions/ -k "rps and figure4b" --scale paper --data /shared/data --results /shared/results
#
# Stops at a checkpoint before its time is over and goes back into the queue, as often as it takes; results are the same
# bits. Everything is as without a limit otherwise: the exit code of the last part is that of the session.
#SBATCH --job-name=reproductions
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
export REPRO_TIME_LIMIT="${REPRO_TIME_LIMIT:-3h50m}" # below --time, with room for a start from a slow file system

"${PYTHON:-.venv/bin/python}" -m pytest "$@" --ranks "$SLURM_NTASKS" --launcher "${LAUNCHER:-srun -n {ranks\}}"
code=$?
if [ "$code" -eq 75 ]; then
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
