"""The container engine behind its Docker API: building, running and describing, nothing else."""
