"""What was measured of the version in production."""

import logging

from infra.tracking import Tracking
from tasks.records.measured_version import ESTIMATES_FILE, MeasuredVersion, read_estimates
from tasks.registry.version_tags import PRODUCTION

logger = logging.getLogger(__name__)


def numbers_of_production(line: str, tracking: Tracking) -> MeasuredVersion | None:
    """The numbers of the version in production; None where there is none, or none are kept.

    They are read for planning alone: no gate is judged on them.

    Raises:
        TrackingError: MLflow does not answer.

    """
    version = tracking.aliases(line).get(PRODUCTION)
    content = version and tracking.file_of_version(line, version, ESTIMATES_FILE)
    if not version or not content:
        return None
    try:
        return read_estimates(version, content)
    except ValueError as error:
        logger.warning(
            "%s of version %s of %s cannot be read, so power is planned without it: %s",
            ESTIMATES_FILE, version, line, error,
        )  # fmt: skip
        return None
