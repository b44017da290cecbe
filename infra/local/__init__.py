"""The embedded stack: object store, MLflow, Prefect and a worker on loopback, supervised.

::

    stack.py        up, down and status: what a user asks for
    start.py        the start of the parts, in its order
    status.py       what each part is doing
    furnishing.py   what the flows need to find on the Prefect server
    parts.py        what each part is: its command, environment, port and log
    health.py       whether a part answers, and what a log says about one that does not
    supervision.py  the supervisord that keeps the parts alive
    leftovers.py    the processes that a crash of supervisord leaves over
    launch.py       the first lines of each part's process
    private.py      files that only their owner reads: keys, environments, stack.env
"""
