"""Traces in files, for all tests of availability."""

import pytest


@pytest.fixture
def trace_file(tmp_path):
    """Writes lines of client, start and end below the heading; gives the path."""

    def write(lines, name="mine.csv", heading="client,start_s,end_s"):
        path = tmp_path / name
        path.write_text("\n".join([heading, *lines]) + "\n")
        return str(path)

    return write
