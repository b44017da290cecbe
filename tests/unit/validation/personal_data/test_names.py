"""The language model that finds names, on real sentences."""

import pyarrow as pa
import pytest

from infra.errors import SettingsError
from tasks.task_types.row_shapes import shape_of
from tasks.validation.personal_data.names import NameModel
from tasks.validation.personal_data.protection import Protector
from tasks.validation.personal_data.settings import PrivacySettings

NAMES = PrivacySettings(policy={"name": "redact"})
SENTENCES = [
    "Chancellor Angela Merkel met Barack Obama in Berlin on Monday.",
    "The match was won by Serena Williams in two sets.",
    "Profits rose by 76 percent in the fourth quarter.",
    None,
]


@pytest.fixture(scope="module")
def protector() -> Protector:
    return Protector(NAMES, shape_of("causal_lm"))


def test_names_of_persons_are_redacted_and_places_are_not(protector):
    redacted = protector.protect(pa.table({"text": SENTENCES})).rows["text"].to_pylist()
    assert redacted == [
        "Chancellor [NAME] met [NAME] in Berlin on Monday.",
        "The match was won by [NAME] in two sets.",
        *SENTENCES[2:],
    ]
    assert [(one.kind, one.rows, one.findings) for one in protector.findings()] == [("name", 2, 3)]


def test_redacted_names_are_not_found_again(protector):
    texts = [f"{SENTENCES[0]} {SENTENCES[1]} Write to Tim Cook <tim@apple.com>."]
    once = protector.protect(pa.table({"text": texts})).rows
    again = Protector(NAMES, shape_of("causal_lm"))
    assert again.protect(once).rows.equals(once)
    assert again.findings() == ()


def test_names_are_searched_in_the_whole_of_a_text_too_long_for_the_model():
    filler = "The price of oil rose again and again in the last days of the month. " * 700
    found = dict(NameModel(NAMES).find(pa.chunked_array([[filler + SENTENCES[1]]])))
    names = {(filler + SENTENCES[1])[one.start : one.end] for one in found[0]}
    assert "Serena Williams" in names


def test_a_model_that_is_not_installed_is_refused_with_the_mend():
    settings = PrivacySettings(policy={"name": "redact"}, name_model="no_such_model")
    with pytest.raises(SettingsError, match=r"'no_such_model' is not installed.*name: allow"):
        Protector(settings, shape_of("causal_lm"))


def test_no_model_is_loaded_where_names_are_allowed():
    settings = PrivacySettings(name_model="no_such_model")
    assert Protector(settings, shape_of("causal_lm")).findings() == ()


def test_a_confidence_that_no_name_reaches_is_refused():
    settings = PrivacySettings(policy={"name": "redact"}, min_confidence=0.9)
    with pytest.raises(SettingsError, match="leaves out every name"):
        Protector(settings, shape_of("causal_lm"))
