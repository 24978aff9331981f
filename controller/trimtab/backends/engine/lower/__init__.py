"""Stage 8 for an engine: a plan's changes as a DAG of steps. Pure; ``whole`` puts it together."""
