"""Personal data in requests and answers."""

import pytest

from tasks.task_types.row_shapes import shape_of
from tasks.validation.personal_data.requests import RequestRedactor
from tasks.validation.personal_data.settings import PrivacySettings

MAIL = "ada@example.org"


def redactor(task_type: str = "classification", **policy: str) -> RequestRedactor:
    settings = PrivacySettings.model_validate({"policy": policy})
    return RequestRedactor(settings, shape_of(task_type), ("sport", MAIL))


def test_inputs_and_every_text_of_an_answer_are_redacted_but_no_label() -> None:
    answer = {"label": MAIL, "parts": [{"text": f"by {MAIL}"}, 3, None, True], "score": 0.5}
    (kept, other) = redactor().redact(
        [({"text": f"write to {MAIL}"}, answer), ({"text": "nothing"}, "sport")]
    )
    assert kept == (
        {"text": "write to [MAIL]"},
        {"label": MAIL, "parts": [{"text": "by [MAIL]"}, 3, None, True], "score": 0.5},
    )
    assert other == ({"text": "nothing"}, "sport")


@pytest.mark.parametrize("action", ["quarantine", "fail"])
def test_a_row_that_would_be_put_aside_is_not_kept_at_all(action: str) -> None:
    found = redactor(mail=action).redact(
        [({"text": MAIL}, {}), ({"text": "a"}, f"of x.{MAIL}"), ({"text": "a"}, {"label": "b"})]
    )
    assert found == [None, None, ({"text": "a"}, {"label": "b"})]


def test_what_the_policy_allows_stands_but_a_secret_never() -> None:
    key = "AKIA" + "Q7J3N5VXM2PLK8TD"
    (kept,) = redactor(mail="allow").redact([({"text": f"{MAIL} {key}"}, {})])
    assert kept is not None
    assert kept[0]["text"].startswith(MAIL)
    assert key not in kept[0]["text"]


def test_inputs_of_other_task_types_and_feedback_without_inputs() -> None:
    turns = [{"role": "user", "content": f"I am {MAIL}"}]
    (chat,) = redactor("chat").redact([({"messages": turns}, "x")])
    assert chat == ({"messages": [{"role": "user", "content": "I am [MAIL]"}]}, "x")
    asked = {"question": f"who is {MAIL}?", "context": f"{MAIL} is Ada."}
    (passage,) = redactor("question_answering").redact([(asked, {"answer": MAIL + "."})])
    assert passage is not None
    assert passage[0] == {"question": "who is [MAIL]?", "context": "[MAIL] is Ada."}
    assert redactor().redact([({}, "sport")]) == [({}, "sport")]
