"""The stack in containers: an image, a compose file, manifests for Kubernetes (docs/deploy.md).

::

    Dockerfile, Dockerfile.dockerignore   the image, for CPU or CUDA
    compose.yaml, compose.gpu.yaml        one machine
    kubernetes/                           a cluster, with Prefect's Kubernetes work pool
    kubernetes/data/databases.sh          roles and databases of a new PostgreSQL, in both

    entry.py         what each container starts with: secrets from files, then its command
    part.py          one part of the stack in the foreground: store, mlflow, prefect, worker, run
    setup.py         what MLflow and Prefect need to hold before anything runs
    work_pool.py     Prefect's work pool of Kubernetes jobs
    settings.py      what a container is told beside `infra.settings`
    new_secrets.py   makes the secrets, once
    healthy.py       whether a server answers, for health checks
    dependencies.py  what the image installs before it has the sources
"""
