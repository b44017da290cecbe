"""What passes between stages: frozen records of addresses, digests, counts and verdicts.

No tensor, no data frame and no open file passes between stages. A field that differs between two
runs with the same result (a time, a run's id) is marked and does not count in a record's digest.
"""
