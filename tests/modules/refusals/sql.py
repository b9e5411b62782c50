"""A database does not speak HTTP; the tests of the app ask it."""

from tests.modules.refusals import Elsewhere, Nothing, Table

TABLE = Table(
    None,
    {
        "key": Elsewhere("test_sql.py::test_a_server_that_is_not_there_and_a_user_that_is_not"),
        "field": Elsewhere("test_sql.py::test_the_simulator_refuses_what_a_database_refuses"),
        "wrapper": Nothing("a statement has none"),
        "limit": Elsewhere("test_sql.py::test_what_takes_too_long_is_stopped"),
    },
)
