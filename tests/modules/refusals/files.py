"""A folder does not speak HTTP; the tests of the app ask it."""

from tests.modules.refusals import Elsewhere, Nothing, Table

TABLE = Table(
    None,
    {
        "key": Elsewhere("test_files.py::test_no_path_leads_out_of_the_folder"),
        "field": Elsewhere("test_files.py::test_a_header_that_cannot_be_used"),
        "wrapper": Elsewhere("test_files.py::test_what_cannot_be_appended_is_refused"),
        "limit": Nothing("a folder takes what fits on the disk"),
    },
)
