"""A candidate that answers a part of the requests, compared with the version in production."""
