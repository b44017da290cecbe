"""How a report names the files of a user, who may not want to tell where they lie."""

from pathlib import PurePath

from tasks.records.data import SourceFile

_STORED = "s3://"


def name_with_digest(file: SourceFile) -> tuple[str, str]:
    """The name of a file and the beginning of its digest.

    Of a local one the folders are left out, which name a machine and a person; an object of the
    store keeps its address.
    """
    name = file.uri if file.uri.startswith(_STORED) else PurePath(file.uri).name
    return name, file.fingerprint[:12]
