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
    team: dict[str, Person], owner: MlflowLogins, line: str, stack: RunningStack
) -> None:
    """MLflow lets each user make experiments, and so confirm what they may not decide."""
    nina, run = Person(f"nina-{secrets.token_hex(3)}", secrets.token_hex(16), stack), a_run()
    login = {"username": nina.name, "password": nina.password}
    owner.ask("POST", "2.0/mlflow/users/create", json=login)
    try:
        assert asked(nina, "POST", "/flow_runs/filter", json={}) == 401
        confirm(nina.logins, run, "unasked")
        with pytest.raises(PromotionError, match=f"{nina.name} may not decide"):
            behind(line, run, owner)
        confirm(team["ada"].logins, run, "and ada")
        assert behind(line, run, owner) == "ada"
    finally:
        owner.remove(nina.name)


def test_nobody_writes_in_the_name_of_another(
    team: dict[str, Person], owner: MlflowLogins, line: str, stack: RunningStack
) -> None:
    ada, run = team["ada"], a_run()
    with people(stack, bob="approver") as more:
        theirs = dict(owner.experiments_named(f"{CONFIRMATIONS}%"))
        of_bob = next(i for i, name in theirs.items() if name == f"{CONFIRMATIONS}bob")
        tags = [{"key": FLOW_RUN_TAG, "value": run}]
        planted = {"experiment_id": of_bob, "start_time": 1, "tags": tags}
        with pytest.raises(TrackingError, match="refuses this to ada"):
            ada.logins.ask("POST", "2.0/mlflow/runs/create", json=planted)
        # By another name of an experiment of her own she is ada still.
        of_ada = next(i for i, name in theirs.items() if name == f"{CONFIRMATIONS}ada")
        renamed = {"experiment_id": of_ada, "new_name": f"{CONFIRMATIONS}assayline-too"}
        ada.logins.ask("POST", "2.0/mlflow/experiments/update", json=renamed)
        ada.logins.ask("POST", "2.0/mlflow/runs/create", json={**planted, "experiment_id": of_ada})
        assert [one.user.username for one in confirmations_of(owner, run)] == ["ada"]
        # What two may write tells of neither.
        grant = {"username": "bob", "resource_type": EXPERIMENT, "resource_id": of_ada}
        whole = {**grant, "permission": "EDIT"}
        owner.ask("POST", "3.0/mlflow/users/permissions/grant", json=whole)
        with pytest.raises(TrackingError, match=r"can be written by ada, bob"):
            behind(line, run, owner)
        owner.ask("POST", "3.0/mlflow/users/permissions/revoke", json=grant)
        assert behind(line, run, owner) == "ada"
        assert more["bob"].name == "bob"
    back = {"experiment_id": of_ada, "new_name": f"{CONFIRMATIONS}ada"}
    owner.ask("POST", "2.0/mlflow/experiments/update", json=back)


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
    command = {"job_variables": {"command": "sh -c id"}}
    assert asked(team["ada"], "POST", start, json=command) == 403
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
