"""Our own expectations of Great Expectations, for what it lacks.

Importing the package registers them with their metrics, as its metaclasses do.
"""

from tasks.data.contract.expectations.answers import ExpectMulticolumnAnswersToStandAtTheirOffsets
from tasks.data.contract.expectations.characters import (
    ExpectColumnValuesToBeWrittenInScripts,
    ExpectColumnValuesToHaveNoForbiddenCharacters,
)
from tasks.data.contract.expectations.chats import ExpectColumnChatTurnsToAlternate
from tasks.data.contract.expectations.counts import (
    ExpectFiguresToBeBetween,
    ExpectFiguresToDifferInSpelling,
    ExpectFiguresToMatch,
)
from tasks.data.contract.expectations.label_lists import (
    ExpectColumnListsToBeDistinct,
    ExpectColumnListsToBeInSet,
)
from tasks.data.contract.expectations.language import ExpectColumnValuesToBeInLanguage
from tasks.data.contract.expectations.lengths import (
    ExpectColumnTokenLengthsToBeBetween,
    ExpectMulticolumnLengthRatiosToBeBetween,
)
from tasks.data.contract.expectations.tags import ExpectMulticolumnValuesToBeValidTagSequences
from tasks.data.contract.expectations.twins import (
    ExpectColumnValuesToHaveNoTwin,
    ExpectColumnValuesToHoldNoPersonalData,
)

__all__ = [
    "ExpectColumnChatTurnsToAlternate",
    "ExpectColumnListsToBeDistinct",
    "ExpectColumnListsToBeInSet",
    "ExpectColumnTokenLengthsToBeBetween",
    "ExpectColumnValuesToBeInLanguage",
    "ExpectColumnValuesToBeWrittenInScripts",
    "ExpectColumnValuesToHaveNoForbiddenCharacters",
    "ExpectColumnValuesToHaveNoTwin",
    "ExpectColumnValuesToHoldNoPersonalData",
    "ExpectFiguresToBeBetween",
    "ExpectFiguresToDifferInSpelling",
    "ExpectFiguresToMatch",
    "ExpectMulticolumnAnswersToStandAtTheirOffsets",
    "ExpectMulticolumnLengthRatiosToBeBetween",
    "ExpectMulticolumnValuesToBeValidTagSequences",
]
