"""Our own expectations of Great Expectations, for what it lacks.

Importing the package registers them with their metrics, as its metaclasses do.
"""

from tasks.validation.contract.expectations.answers import (
    ExpectMulticolumnAnswersToStandAtTheirOffsets,
)
from tasks.validation.contract.expectations.characters import (
    ExpectColumnValuesToBeWrittenInScripts,
    ExpectColumnValuesToHaveNoForbiddenCharacters,
)
from tasks.validation.contract.expectations.chats import ExpectColumnChatTurnsToAlternate
from tasks.validation.contract.expectations.counts import (
    ExpectCountsToBeBetween,
    ExpectCountsToDifferInSpelling,
    ExpectCountsToMatch,
)
from tasks.validation.contract.expectations.duplicates import (
    ExpectColumnValuesToHaveNoDuplicate,
    ExpectColumnValuesToHoldNoPersonalData,
    ExpectColumnValuesToSpellNoControlToken,
)
from tasks.validation.contract.expectations.entities import (
    ExpectMulticolumnEntitiesToStandInTheirText,
)
from tasks.validation.contract.expectations.label_lists import (
    ExpectColumnListsToBeDistinct,
    ExpectColumnListsToBeInSet,
)
from tasks.validation.contract.expectations.language import ExpectColumnValuesToBeInLanguage
from tasks.validation.contract.expectations.lengths import (
    ExpectColumnTokenLengthsToBeBetween,
    ExpectMulticolumnLengthRatiosToBeBetween,
)
from tasks.validation.contract.expectations.tags import ExpectMulticolumnValuesToBeValidTagSequences

__all__ = [
    "ExpectColumnChatTurnsToAlternate",
    "ExpectColumnListsToBeDistinct",
    "ExpectColumnListsToBeInSet",
    "ExpectColumnTokenLengthsToBeBetween",
    "ExpectColumnValuesToBeInLanguage",
    "ExpectColumnValuesToBeWrittenInScripts",
    "ExpectColumnValuesToHaveNoDuplicate",
    "ExpectColumnValuesToHaveNoForbiddenCharacters",
    "ExpectColumnValuesToHoldNoPersonalData",
    "ExpectColumnValuesToSpellNoControlToken",
    "ExpectCountsToBeBetween",
    "ExpectCountsToDifferInSpelling",
    "ExpectCountsToMatch",
    "ExpectMulticolumnAnswersToStandAtTheirOffsets",
    "ExpectMulticolumnEntitiesToStandInTheirText",
    "ExpectMulticolumnLengthRatiosToBeBetween",
    "ExpectMulticolumnValuesToBeValidTagSequences",
]
