"""A line that is trained, approved, served, scored, watched and tried, by all of its secrets."""

import csv
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from psycopg import sql
from pydantic import SecretStr

from flows.commands.approval_commands import find_waiting
from infra.apprise_block import AppriseUrl
from infra.prefect_api import PrefectApi
from infra.result_signatures import KEY_FILE
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.watched import watched_version
from tests.conftest import SCRIPTS, RunningStack, free_port
from tests.integration.test_retrain import write_config, write_reviews
from tests.integration.test_sql_source import Postgres
from tests.people import Person
from tests.recorded_traffic import Asked, write_requests
from tests.security.refusing_servers import Refusing
from tests.served_line import ServedLine, wait_until_it_answers

LINE = "planted"
# Of the user's database, of which the worker's environment holds the password.
SOURCE_VARIABLE = "PLANTED_PASSWORD"
PATIENCE_S = 900
AWAITS_APPROVAL, CANARY = 6, 7
BLOCKS = ("apprise-url/mail", "apprise-url/misspelt", "custom-webhook/chat")
# Of a request to the served line, to be found in its records.
ASKED = "the match was won by a late goal in the last minute"
POLICY: Mapping[str, Any] = {
    "gates": [
        {"metric": "quality.accuracy", "at_least": 0.01},
        {"metric": "staging.same_predictions", "at_least": 0.99},
    ],
    "fairness_not_gated": "this is about secrets alone",
}
STEPS = {"steps": [{"share": 0.5, "hours": 0, "requests": 100}], "settle_s": 0}


@dataclass
class Secretive:
    """The line, and who works with it.

    Attributes:
        given: the secrets that the user gives, by what they are of.
        made: those that came of the work: a person's password, and the code of their approval.
        said: what the commands said, but for those that are there to show a secret.

    """

    stack: RunningStack
    given: Mapping[str, str]
    postgres: Postgres
    refusing: Refusing
    base_model: Path
    made: dict[str, str] = field(default_factory=dict)
    said: str = ""

    def call(self, *words: str, code: int = 0, **changes: str) -> str:
        """Call a command that ends with this exit code."""
        done = self.stack.assayline(*words, timeout_s=PATIENCE_S, **changes)
        assert done.returncode == code, (words, self.said, done.stdout, done.stderr)
        self.said += done.stdout + done.stderr
        return done.stdout

    def work(self) -> None:
        """All that the product does, one after the other."""
        self.save_blocks()
        self.call("run", str(self.settings(policy={**POLICY, "approval": "by a person"})),
                  code=AWAITS_APPROVAL)  # fmt: skip
        ada = self.add_ada()
        self.approve(ada)
        self.call("run", str(self.settings("bad.yaml", table="nothing")), code=1)
        write_reviews(self.stack.folder / "batch.csv", rows_per_topic=10)
        self.call("score", LINE, str(self.stack.folder / "batch.csv"))
        self.serve()
        self.call("monitor", LINE, "--since", self.earlier_requests())
        for words in (("verify", LINE), ("ledger", LINE), ("why", LINE), ("report", LINE)):
            self.call(*words)
        tried = self.settings(
            policy={**POLICY, "canary": STEPS},
            training={"epochs": 2, "learning_rate": 3e-4, "seed": 7},
        )
        self.call("run", str(tried), code=CANARY)
        self.serve()
        self.call("canary", LINE, "--once")
        # What the flow returned is signed with the key of the home folder, which she has not.
        key = (self.stack.settings.home / KEY_FILE).read_text(encoding="utf-8").strip()
        hers = {**ada.variables, "ASSAYLINE_RESULTS_KEY": key}
        self.call("canary", LINE, "--stop", "--reason", "as tried", **hers)
        self.call("rollback", LINE, "--reason", "as tried", code=1, **hers)
        self.look_at_source()
        self.call("status", "--json")

    def settings(self, name: str = "planted.yaml", table: str = "reviews", **changes: Any) -> Path:
        """The line's settings file, whose source is a database with a password."""
        port = self.postgres.port
        source = {
            "format": "sql",
            "url": f"postgresql+psycopg://planted:${SOURCE_VARIABLE}@127.0.0.1:{port}/postgres",
            "query": f"SELECT * FROM {table} ORDER BY review, stars_label, country",  # noqa: S608
            "columns": {"text": "review", "label": "stars_label"},
            "group_columns": ["country"],
        }
        return write_config(
            self.stack.folder, name, line=LINE, source=source,
            base_model={"reference": str(self.base_model)}, policy=changes.pop("policy", POLICY),
            notifications=[{"block": block} for block in BLOCKS],
            scoring={"columns": {"text": "review"}}, **changes,
        )  # fmt: skip

    def save_blocks(self) -> None:
        """Blocks that send messages to servers which take the secret, and refuse the message."""
        where = {
            PREFECT_API_URL: self.stack.settings.prefect_url,
            PREFECT_API_AUTH_STRING: ":".join(self.stack.login),
        }
        password = quote(self.given["the mail server's password"], safe="")
        mail = f"mailto://keeper:{password}@127.0.0.1:{self.refusing.mail_port}?from=a@example.org"
        chat = f"http://127.0.0.1:{self.refusing.chat_port}/hooks/{self.given['the chat address']}"
        with temporary_settings(where):
            AppriseUrl(url=f"{mail}&to=team@example.org").save("mail", overwrite=True)
            misspelt = AppriseUrl(url="json://127.0.0.1").save("misspelt", overwrite=True)
            CustomWebhookNotificationBlock(
                name="chat", url=chat, json_data={"text": "{{body}}", "token": "{{token}}"},
                secrets={"token": self.given["the chat's token"]},
            ).save("chat", overwrite=True)  # fmt: skip
        # As a form in Prefect's page takes it, which looks at no address.
        wrong = {"url": f"slack://{quote(self.given['a misspelt address'], safe='')}/team"}
        answer = httpx.patch(
            f"{self.stack.settings.prefect_url}/block_documents/{misspelt}", json={"data": wrong},
            auth=self.stack.login, timeout=60,
        )  # fmt: skip
        assert answer.is_success, answer.text

    def add_ada(self) -> Person:
        """A person who may decide; the command shows her password."""
        added = self.stack.assayline("users", "add", "ada", "--role", "approver")
        assert added.returncode == 0, added.stderr
        ada = Person("ada", added.stdout.strip().rpartition("ada:")[2], self.stack)
        self.made["ada's password"] = ada.password
        return ada

    def approve(self, ada: Person) -> None:
        """Fill in the form of the run that waits, with a code that a command shows."""
        run = find_waiting(PrefectApi(self.stack.settings), LINE)
        shown = self.stack.assayline("approval-code", LINE, **ada.variables)
        assert shown.returncode == 0, shown.stderr
        code = self.made["ada's approval code"] = shown.stdout.split()[-1]
        login = SecretStr(f"{ada.name}:{ada.password}")
        api = PrefectApi(ada.settings.model_copy(update={"prefect_login": login}))
        said = {"decision": "approve", "name": "Ada", "reason": "as tried", "code": code}
        api.resume_flow_run(run.id, said)
        self.call("watch", str(run.id))

    def look_at_source(self) -> None:
        """Look whether the source has changed, as the schedule does."""
        api = PrefectApi(self.stack.settings)
        self.call("watch", str(api.start_run(api.deployments()[f"watch-source/{LINE}"])))

    def earlier_requests(self) -> str:
        """Requests of an hour ago but one, for the monitor to judge; returns that hour."""
        store, tracking = ObjectStore(self.stack.settings), Tracking(self.stack.settings)
        watched = watched_version(LINE, store=store, tracking=tracking)
        assert watched
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        answer = {"label": "tech", "score": 0.4}
        rows = [Asked({"text": f"a late goal {n}"}, answer) for n in range(50)]
        write_requests(
            store, LINE, hour, rows, version=watched.version, weights_sha256=watched.weights_sha256
        )
        return hour.isoformat()

    def serve(self) -> None:
        """Ask a served line with its token, with another one and for what it cannot answer."""
        log = self.stack.folder / f"serve-{free_port()}.log"
        with log.open("wb") as output:
            port = free_port()
            process = subprocess.Popen(
                [SCRIPTS / "assayline", "serve", LINE, "--port", str(port)],
                env=dict(self.stack.environment), cwd=self.stack.folder, stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
                line = ServedLine(client, process, log)
                wait_until_it_answers(client, process, log)
                assert line.ask(["nobody let me in"]).status_code == 401
                token = (self.stack.settings.home / "serving.token").read_text(encoding="utf-8")
                client.headers["Authorization"] = f"Bearer {token.strip()}"
                self.ask(line)
                assert line.end() == 0
        finally:
            process.kill()
            process.wait()
        self.said += log.read_text()

    @staticmethod
    def ask(line: ServedLine) -> None:
        """What it answers, gets labels of, and cannot answer."""
        answer = line.ask([ASKED])
        assert answer.is_success, answer.text
        feedback = {"request_id": answer.headers["x-request-id"], "label": "sports", "by": "Ada"}
        assert line.client.post("/feedback", json=feedback).status_code == 202
        assert line.client.post("/invocations", content=b"{").is_client_error
        assert line.client.get("/metrics").is_success


def load_table(server: Postgres, folder: Path, password: str) -> None:
    """The reviews as a table, which one user may read who has this password."""
    write_reviews(folder / "reviews.csv", rows_per_topic=60)
    with (folder / "reviews.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    with server.connect() as connection:
        connection.execute("CREATE TABLE reviews (review text, stars_label text, country text)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO reviews VALUES (%s, %s, %s)", rows)
        connection.execute(sql.SQL("CREATE USER planted PASSWORD {}").format(sql.Literal(password)))
        connection.execute("GRANT SELECT ON reviews TO planted")
