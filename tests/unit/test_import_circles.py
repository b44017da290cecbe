"""No module imports itself by way of others; imports inside functions count."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def test_no_import_closes_a_circle() -> None:
    graph = grimp.build_graph("flows", "tasks", "infra", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" is imported by ".join(error.args[1]))
