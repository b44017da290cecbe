"""Who may decide, and who may only look: people with logins of their own at a real MLflow."""

import json
import secrets
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from prefect.exceptions import Pause

from infra.errors import PromotionError, SettingsError, TrackingError
from infra.mlflow_confirmations import FLOW_RUN_TAG, confirm, confirmations_of, new_code
from infra.mlflow_logins import CONFIRMATIONS, EXPERIMENT, MlflowLogins, User
from infra.prefect_api import PrefectApi
from infra.settings import Settings
from infra.tracking import Tracking
from tasks.registry.rights import check_may_decide, is_only_login, login_behind, login_of_code
from tests.conftest import RunningStack
from tests.integration.test_suspension import APPROVE, Deployed, deployed
from tests.people import Person, people

__all__ = ["deployed"]  # a fixture

LINE = "of-several-people"


@pytest.fixture(scope="module")
def owner(stack: RunningStack) -> MlflowLogins:
    """The stack's own login, by which the worker asks."""
    return MlflowLogins(stack.settings)


@pytest.fixture(scope="module")
def line(stack: RunningStack) -> str:
    """A registered model, since rights are those on one."""
    tracking = Tracking(stack.settings)
    if LINE not in tracking.lines():
        tracking._client.create_registered_model(LINE)
    return LINE


@pytest.fixture
def team(stack: RunningStack) -> Iterator[dict[str, Person]]:
    with people(stack, ada="approver", vera="viewer") as made:
        yield made


@pytest.fixture
def nina(owner: MlflowLogins, stack: RunningStack) -> Iterator[Person]:
    """A user of MLflow's without a role, who may make experiments and hand rights on them over."""
    person = Person(f"nina-{secrets.token_hex(3)}", secrets.token_hex(16), stack)
    login = {"username": person.name, "password": person.password}
    owner.ask("POST", "2.0/mlflow/users/create", json=login)
    yield person
    owner.remove(person.name)


def a_run() -> str:
    return str(uuid4())


def behind(line: str, run: str, logins: MlflowLogins) -> str:
    return login_behind(line, run, f"rollback {line}", logins, patience_s=0)


def test_whoever_has_the_only_login_confirms_nothing(owner: MlflowLogins, line: str) -> None:
    assert is_only_login(owner)
    assert behind(line, a_run(), owner) == "assayline"
    assert login_of_code(line, a_run(), "", owner) == "assayline"


def test_where_mlflow_keeps_no_users_no_login_is_claimed(mlflow_settings: Settings) -> None:
    """Neither without a login, nor where something before it asks one."""
    assert behind(LINE, a_run(), MlflowLogins(mlflow_settings)) == ""
    behind_a_proxy = mlflow_settings.model_copy(update={"mlflow_user": "ada"})
    assert MlflowLogins(behind_a_proxy).users() == []
    assert behind(LINE, a_run(), MlflowLogins(behind_a_proxy)) == ""


def test_a_decision_is_of_the_login_that_confirmed_it(
    team: dict[str, Person], owner: MlflowLogins, line: str
) -> None:
    run = a_run()
    with pytest.raises(PromotionError, match="nobody confirmed this decision on of-several-people"):
        behind(line, run, owner)
    check_may_decide(line, team["ada"].logins)
    confirm(team["ada"].logins, run, f"rollback {line}")
    assert behind(line, run, owner) == "ada"
    with pytest.raises(PromotionError, match="nobody confirmed"):  # it counts for no other run
        behind(line, a_run(), owner)
    run = a_run()
    confirm(team["ada"].logins, run, "approval", new_code())
    with pytest.raises(PromotionError, match="nobody confirmed"):  # a code is for a form alone
        behind(line, run, owner)
    run = a_run()
    confirm(owner, run, "by the owner")
    assert behind(line, run, owner) == "assayline"


def test_who_only_looks_decides_nothing(
    team: dict[str, Person], owner: MlflowLogins, line: str
) -> None:
    vera, run = team["vera"].logins, a_run()
    with pytest.raises(PromotionError, match=r"vera may not decide .* gives them READ"):
        check_may_decide(line, vera)
    with pytest.raises(TrackingError, match="refuses this to vera"):
        confirm(vera, run, "by force")
    assert confirmations_of(owner, run) == []
    shown = vera.ask("GET", "2.0/mlflow/registered-models/get", params={"name": line})
    assert shown["registered_model"]["name"] == line
    alias = {"name": line, "alias": "production", "version": "1"}
    for path, body in (("alias", alias), ("create", {"name": "of-vera"})):
        with pytest.raises(TrackingError, match="vera reads, and changes nothing"):
            vera.ask("POST", f"2.0/mlflow/registered-models/{path}", json=body)


@pytest.mark.slow
def test_who_has_no_role_is_in_nobodys_way(
    team: dict[str, Person], nina: Person, owner: MlflowLogins, line: str
) -> None:
    """MLflow lets each user make experiments; but whose they are its roles say."""
    run = a_run()
    assert asked(nina, "POST", "/flow_runs/filter", json={}) == 401
    with pytest.raises(TrackingError, match=f"refuses this to {nina.name}"):
        confirm(nina.logins, run, "unasked")
    role = {"name": f"{CONFIRMATIONS}{nina.name}", "workspace": "default"}
    with pytest.raises(TrackingError, match=f"refuses this to {nina.name}"):
        nina.logins.ask("POST", "3.0/mlflow/roles/create", json=role)
    confirm(team["ada"].logins, run, "and ada")
    assert behind(line, run, owner) == "ada"


@pytest.mark.parametrize("victim", ["ada", "an administrator"])
def test_a_right_that_is_handed_over_confirms_for_nobody(
    victim: str, team: dict[str, Person], nina: Person, owner: MlflowLogins, line: str
) -> None:
    """Who makes an experiment may write in it, grant it to another, and give up their own right."""
    run, name = a_run(), victim if victim in team else f"root-{secrets.token_hex(3)}"
    if name != victim:
        login = {"username": name, "password": secrets.token_hex(16)}
        owner.ask("POST", "2.0/mlflow/users/create", json=login)
        admin = {"username": name, "is_admin": True}
        owner.ask("PATCH", "2.0/mlflow/users/update-admin", json=admin)
    called = f"{CONFIRMATIONS}{name}" if name != victim else f"{CONFIRMATIONS}{nina.name}"
    made = nina.logins.ask("POST", "2.0/mlflow/experiments/create", json={"name": called})
    tags = [{"key": FLOW_RUN_TAG, "value": run}]
    planted = {"experiment_id": made["experiment_id"], "start_time": 1, "tags": tags}
    nina.logins.ask("POST", "2.0/mlflow/runs/create", json=planted)
    on_it = {"resource_type": EXPERIMENT, "resource_id": made["experiment_id"]}
    given = {**on_it, "username": name, "permission": "EDIT"}
    nina.logins.ask("POST", "3.0/mlflow/users/permissions/grant", json=given)
    own = {**on_it, "username": nina.name}
    nina.logins.ask("POST", "3.0/mlflow/users/permissions/revoke", json=own)
    try:
        assert confirmations_of(owner, run) == []
        with pytest.raises(PromotionError, match="nobody confirmed"):
            behind(line, run, owner)
    finally:
        if name != victim:
            owner.ask("DELETE", "2.0/mlflow/users/delete", json={"username": name})


def test_a_code_that_another_person_copies_stays_whose_it_was(
    team: dict[str, Person], owner: MlflowLogins, line: str, stack: RunningStack
) -> None:
    """Everybody at MLflow reads the digest of a code, and may write it beside their own name."""
    run, code = a_run(), new_code()
    confirm(team["ada"].logins, run, "approval", code)
    with people(stack, bob="approver") as more:
        bob = more["bob"].logins
        asked_for = {"experiment_ids": sorted(owner.confirmation_experiments())}
        of_ada = bob.ask("POST", "2.0/mlflow/runs/search", json=asked_for)["runs"][0]["data"]
        of_bob = bob.ensure_confirmations("bob")
        copied = {"experiment_id": of_bob, "start_time": 2**42, "tags": of_ada["tags"]}
        bob.ask("POST", "2.0/mlflow/runs/create", json=copied)
        assert login_of_code(line, run, code, owner) == "ada"


def test_names_that_are_like_each_other_are_two_people(
    owner: MlflowLogins, line: str, stack: RunningStack
) -> None:
    """SQL's LIKE takes an underscore for any letter."""
    with people(stack, dxe="approver", d_e="approver") as two:
        for name, person in two.items():
            run = a_run()
            confirm(person.logins, run, "rollback")
            assert behind(line, run, owner) == name


def test_nobody_writes_in_the_name_of_another(
    team: dict[str, Person], owner: MlflowLogins, line: str, stack: RunningStack
) -> None:
    ada, run = team["ada"], a_run()
    with people(stack, bob="approver") as more:
        theirs = {who: one for one, who in owner.confirmation_experiments().items()}
        of_bob = theirs["bob"]
        tags = [{"key": FLOW_RUN_TAG, "value": run}]
        planted = {"experiment_id": of_bob, "start_time": 1, "tags": tags}
        with pytest.raises(TrackingError, match="refuses this to ada"):
            ada.logins.ask("POST", "2.0/mlflow/runs/create", json=planted)
        # By another name of an experiment of her own she is ada still.
        of_ada = theirs["ada"]
        renamed = {"experiment_id": of_ada, "new_name": f"{CONFIRMATIONS}assayline-too"}
        ada.logins.ask("POST", "2.0/mlflow/experiments/update", json=renamed)
        ada.logins.ask("POST", "2.0/mlflow/runs/create", json={**planted, "experiment_id": of_ada})
        assert [one.user.username for one in confirmations_of(owner, run)] == ["ada"]
        # What two may write tells of neither.
        grant = {"username": "bob", "resource_type": EXPERIMENT, "resource_id": of_ada}
        whole = {**grant, "permission": "EDIT"}
        owner.ask("POST", "3.0/mlflow/users/permissions/grant", json=whole)
        with pytest.raises(TrackingError, match=r"in which ada confirms, can be written by bob"):
            behind(line, run, owner)
        owner.ask("POST", "3.0/mlflow/users/permissions/revoke", json=grant)
        assert behind(line, run, owner) == "ada"
        assert more["bob"].name == "bob"


def test_a_workers_login_that_cannot_see_rights_refuses(
    team: dict[str, Person], owner: MlflowLogins, line: str
) -> None:
    run = a_run()
    confirm(team["ada"].logins, run, "rollback")
    with pytest.raises(TrackingError, match="refuses this to vera"):
        behind(line, run, team["vera"].logins)


@pytest.mark.slow
def test_a_right_on_one_line_alone_is_granted_in_mlflow(
    team: dict[str, Person], owner: MlflowLogins, line: str
) -> None:
    vera = User(username="vera")
    granted = {"username": "vera", "resource_type": "registered_model", "resource_id": line}
    owner.ask("POST", "3.0/mlflow/users/permissions/grant", json={**granted, "permission": "EDIT"})
    assert owner.may_decide(vera, line)
    assert not owner.may_decide(vera, "another-line")
    owner.ask("POST", "3.0/mlflow/users/permissions/revoke", json=granted)
    assert team["ada"].name == "ada"
    assert owner.may_decide(User(username="ada"), "a-line-that-comes-later")


@pytest.mark.parametrize("name", ["", "reader", "policy", "a b", "x" * 65, "a/b", "assayline"])
def test_no_login_of_a_name_that_means_something_else(owner: MlflowLogins, name: str) -> None:
    with pytest.raises(SettingsError):
        owner.add(name, "p" * 16, "approver")


@pytest.mark.slow
def test_the_form_asks_for_a_code_until_it_is_known_who_decides(
    team: dict[str, Person], deployed: Deployed, owner: MlflowLogins
) -> None:
    line, api = deployed.line, deployed.api
    decides = deployed.flow_of(line.judged("w1"))
    run = deployed.begin(decides)
    codes = {name: new_code() for name in ("ada", "stolen")}
    confirm(team["ada"].logins, str(run), "approval", codes["ada"])
    confirm(team["ada"].logins, a_run(), "approval of another run", codes["stolen"])
    for code in ("", secrets.token_hex(10), codes["stolen"]):
        api.resume_flow_run(run, APPROVE | {"code": code})
        with pytest.raises(Pause):
            deployed.go_on(decides, run)
        assert line.aliases == {}
        assert [one.action for one in line.ledger] == ["awaiting approval"]
    api.resume_flow_run(run, APPROVE | {"code": codes["ada"]})
    deployed.go_on(decides, run)
    entry = line.ledger[-1]
    assert (entry.action, entry.by, entry.login) == ("promoted", "Ada", "ada")
    assert entry.who == "ada (Ada)"
    assert "by ada (Ada)" in line.tracking.version_tags(line.name, 1)["assayline.decided"]


@pytest.mark.slow
def test_by_the_only_login_the_form_needs_no_code(deployed: Deployed) -> None:
    line = deployed.line
    decides = deployed.flow_of(line.judged("w1"))
    run = deployed.begin(decides)
    deployed.api.resume_flow_run(run, APPROVE)
    deployed.go_on(decides, run)
    entry = line.ledger[-1]
    assert (entry.by, entry.login, entry.who) == ("Ada", "assayline", "assayline (Ada)")


def asked(person: Person, method: str, path: str, **what: object) -> int:
    """How Prefect answers a person."""
    login = (person.name, person.password)
    url = f"{person.stack.settings.prefect_url}{path}"
    return httpx.request(method, url, auth=login, timeout=60, trust_env=False, **what).status_code  # type: ignore[arg-type]


LOOKS = (
    ("GET", "/admin/version"), ("GET", "/flows/filter"), ("POST", "/flow_runs/filter"),
    ("POST", "/deployments/filter"), ("POST", "/logs/filter"), ("POST", "/artifacts/filter"),
    ("POST", "/flow_runs/count"), ("POST", "/ui/flows/count-deployments"),
)  # fmt: skip
FORBIDDEN = (
    ("POST", "/block_documents/filter", {"include_secrets": True}),
    ("GET", "/block_documents/?include_secrets=true", None), ("GET", "/admin/settings", None),
    ("POST", "/flows/", {"name": "planted"}), ("POST", "/deployments/", {"name": "planted"}),
    ("PATCH", "/v2/concurrency_limits/gpu", {"limit": 9}),
    ("DELETE", f"/flow_runs/{a_run()}", None), ("POST", "/flow_runs/bulk_delete", {}),
    ("POST", f"/flow_runs/{a_run()}/set_state", {"state": {"type": "CANCELLING"}}),
    ("POST", "/admin/database/clear", {"confirm": True}),
    ("POST", "/variables/", {"name": "planted", "value": 1}),
    ("GET", "/block_types/slug/apprise-url/block_documents?include_secrets=true", None),
    ("GET", "/%62lock_documents/?include_secrets=true", None),
    # The answer to a form, with the code of who answered.
    ("GET", f"/flow_runs/{a_run()}/input/approval-1-response", None),
    ("GET", f"/flow_runs/{a_run().upper()}/input/approval-1-response", None),
    ("POST", f"/flow_runs/{a_run()}/input/filter", {"prefix": "approval"}),
    ("POST", f"/flow_runs/{a_run()}/input", {"key": "approval-1-response", "value": "{}"}),
)  # fmt: skip


@pytest.mark.slow
def test_a_role_shows_prefect_and_lets_nobody_run_what_they_like(
    team: dict[str, Person], stack: RunningStack
) -> None:
    api = PrefectApi(stack.settings)
    known = api.deployments()
    retrain, rollback = (known[f"{flow}/bbc-news"].id for flow in ("retrain", "rollback"))
    for person in team.values():
        for method, path in LOOKS:
            what = {"json": {}} if method == "POST" else {}
            assert asked(person, method, path, **what) in {200, 405, 422}, (person.name, path)
        for method, path, body in FORBIDDEN:
            what = {} if body is None else {"json": body}
            assert asked(person, method, path, **what) == 403, (person.name, path)
        start = f"/deployments/{retrain}/create_flow_run"
        assert asked(person, "POST", start, json={}) == 403
        stranger = Person(person.name, "a" * 32, stack)
        assert asked(stranger, "POST", "/flow_runs/filter", json={}) == 401
    start, resume = f"/deployments/{rollback}/create_flow_run", f"/flow_runs/{a_run()}/resume"
    assert asked(team["vera"], "POST", start, json={}) == 403
    assert asked(team["vera"], "POST", resume, json={}) == 403
    assert asked(team["ada"], "POST", resume, json={}) not in {401, 403}  # there is no such run
    schema = f"/flow_runs/{a_run()}/input/approval-1-schema"
    assert asked(team["ada"], "GET", schema) == 404
    command = {"job_variables": {"command": "sh -c id"}}
    assert asked(team["ada"], "POST", start, json=command) == 403
    # That may pass for one of a candidate that waits, which somebody then approves.
    for given in ({"state": {"type": "PAUSED"}}, {"tags": ["bbc-news"]}):
        assert asked(team["ada"], "POST", start, json=given) == 403, given
    for beside in (f"{start}/", f"{start}/bulk", f"/{start}", start.upper()):
        assert asked(team["ada"], "POST", beside, json={}) in {403, 404, 405}, beside
    for no_object in ("[]", '{"parameters": []}', "{"):
        assert asked(team["ada"], "POST", start, content=no_object) == 403, no_object
    # A look at a canary is confirmed by nobody, and would accept what ada moved by hand.
    look = f"/deployments/{known['canary/bbc-news'].id}/create_flow_run"
    accepted = {"parameters": {"on_outside_move": "accept", "enforce_parameter_schema": False}}
    assert asked(team["ada"], "POST", look, json=accepted) == 403
    own_labels = {"parameters": {"feedback_by": ["ada"]}}
    assert asked(team["ada"], "POST", look, json=own_labels) == 403
    body = {"parameters": {"line": "another"}}  # Prefect's own check of what the form admits
    assert asked(team["ada"], "POST", start, json=body) == 409


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_of_people(stack: RunningStack) -> None:
    """On the whole stack: who may not is refused before anything starts."""
    added = stack.assayline("users", "add", "ada", "--role", "approver")
    assert added.returncode == 0, added.stderr
    ada = Person("ada", added.stdout.strip().rpartition("ada:")[2], stack)
    seen = stack.assayline("users", "add", "vera", "--role", "viewer")
    vera = Person("vera", seen.stdout.strip().rpartition("vera:")[2], stack)
    try:
        listed = json.loads(stack.assayline("users", "--json").stdout)
        roles = {one["login"]: one["role"] for one in listed}
        assert roles == {"assayline": "administrator", "ada": "approver", "vera": "viewer"}
        for words in (("status",), ("users",), ("ledger", "bbc-news")):
            looks = stack.assayline(*words, **vera.variables)
            assert looks.returncode == 0, looks.stderr
        why = ("--reason", "as tried")
        for words in (("rollback", "bbc-news"), ("promote", "bbc-news", "1"),
                      ("reconcile", "bbc-news", "--restore")):  # fmt: skip
            refused = stack.assayline(*words, *why, **vera.variables)
            assert refused.returncode == 1
            assert "vera may not decide on bbc-news" in refused.stderr, refused.stderr
        assert (
            stack.assayline("users", "add", "me", "--role", "approver", **vera.variables).returncode
            == 1
        )
        # There is nothing to go back to; but it is ada who asks, by MLflow and by Prefect.
        tried = stack.assayline("rollback", "bbc-news", *why, **ada.variables)
        assert "no previous version to roll back to" in tried.stderr, tried.stderr + tried.stdout
        # By Prefect's page nobody knows who it was.
        api = PrefectApi(stack.settings)
        run = api.start_run(api.deployments()["rollback/bbc-news"])
        ended = stack.assayline("watch", str(run))
        assert "nobody confirmed this decision on bbc-news" in ended.stderr, ended.stderr
    finally:
        for person in ("ada", "vera"):
            assert stack.assayline("users", "remove", person).returncode == 0
