"""The environment variable that names the folder of all workers' metrics; here, so that reading it imports no metrics."""

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
