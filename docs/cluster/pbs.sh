#!/bin/bash
# export ARGUMENTS="reproductions/ -k 'rps and figure4b' --scale paper --data /shared/data --results /shared/results"
# qsub -V docs/cluster/pbs.sh
#
# Stops at a checkpoint before its time is over and submits itself again, as often as it takes; results are the same bits.
# PBS gives a script no arguments: they are in the environment.
#PBS -N reproductions
#PBS -l select=1:ncpus=16:mpiprocs=16
#PBS -l walltime=04:00:00
#PBS -j oe
set -u
cd "$PBS_O_WORKDIR" || exit 1
export REPRO_TIME_LIMIT="${REPRO_TIME_LIMIT:-3h50m}" # below walltime, with room for a start from a slow file system
eval "set -- $ARGUMENTS"

ranks=$(wc -l < "$PBS_NODEFILE")
"${PYTHON:-.venv/bin/python}" -m pytest "$@" --ranks "$ranks" --launcher "${LAUNCHER:-mpiexec -n {ranks\}}"
code=$?
if [ "$code" -eq 75 ]; then
    exec qsub -V "${SCRIPT:-docs/cluster/pbs.sh}"
fi
exit "$code"
