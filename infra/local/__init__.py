"""The embedded stack: object store, MLflow, Prefect and a worker on loopback, supervised.

::

    stack.py          up, down and status: what a user asks for
    start.py          the start of the parts, in its order
    status.py         what each part is doing
    prefect_setup.py  what the flows need to find on the Prefect server
    deployments.py    registers what prefect.yaml names
    prefect_deploy.py the command of Prefect's that does so, with each schema made once
    parts.py          what each part is: its command, environment, port and log
    health.py         whether a part answers, and what a log says about one that does not
    supervision.py    the supervisord that keeps the parts alive
    orphans.py        the processes that a crash of supervisord leaves over
    launch.py         the first lines of each part's process
    private_files.py  files that only their owner reads: keys, environments, stack.env

    login.py          who may come in: the login of owner and reader
    pages.py          the servers' pages, opened in a browser with the login
    address_filter.py what a server does not answer: other hosts, other origins
    prefect_server.py, mlflow_app.py    Prefect's and MLflow's servers behind the address filter
    mlflow_users.py   the reader's user at MLflow
    checked_schemas.py                  a schema of parameters is checked once by Prefect's server

    mlflow_webhooks.py                  has MLflow tell of aliases that are moved
    webhook_receiver.py                 what it calls, and what that starts
    webhook_delivery.py, webhook_keys.py    whether MLflow signed a delivery, and with what

    away_database.py  what Prefect says while its database cannot be reached
    worker.py         Prefect's worker, and beside it the look for what a crash left
    abandoned.py      runs whose process is gone, slots that nobody holds
    leases.py         who holds the slots, as the Prefect server keeps it
"""
